/** Short messages about what an action did, with an undo where there is one. */

import { send } from "../lib/api.js";
import { h, render } from "../lib/dom.js";
import { plural } from "../lib/format.js";

const SHOWN_MS = 8_000;
/** Undoes an action; a text that it returns is what it has done. @typedef {() => Promise<string | void>} Undo */
/** @typedef {{ id: number, text: string, bad: boolean, undo?: Undo }} Notice */

/** @type {Notice[]} */
let notices = [];
let lastId = 0;
const area = document.createElement("div");
area.className = "notices";
area.setAttribute("role", "status");
document.body.append(area);

/** @param {string} text @param {{ bad?: boolean, undo?: Undo }} [options] */
export function notify(text, { bad = false, undo } = {}) {
  const id = ++lastId;
  notices = [...notices.slice(-3), { id, text, bad, undo }];
  show();
  setTimeout(() => dismiss(id), bad ? SHOWN_MS * 2 : SHOWN_MS);
}

/**
 * Do something and report the outcome.
 *
 * @param {() => Promise<string | { text: string, undo: Undo } | null>} action null: nothing is to be reported
 * @returns {Promise<boolean>} whether it succeeded
 */
export async function act(action) {
  try {
    const done = await action();
    if (typeof done === "string") notify(done);
    else if (done) notify(done.text, { undo: done.undo });
    return true;
  } catch (error) {
    notify(error instanceof Error ? error.message : String(error), { bad: true });
    return false;
  }
}

/** What `act` reports of jobs that were sent: to undo it is to cancel those that have not ended.
 * @param {string} text @param {string[]} ids */
export function sent(text, ids) {
  const undo = async () => {
    const { done } = await send("POST", "jobs/bulk", { action: "cancel", ids, reason: "undone on the page" });
    return done.length === 0 ? "It is too late: all have ended." : `Cancelled ${plural(done.length, "job")}.`;
  };
  return { text, undo };
}

/** @param {number} id */
function dismiss(id) {
  notices = notices.filter((notice) => notice.id !== id);
  show();
}

function show() {
  render(area, notices.map(noticeView));
}

/** @param {Notice} notice */
function noticeView({ id, text, bad, undo }) {
  const revert = () => {
    dismiss(id);
    void act(async () => {
      return (await undo?.()) ?? "Undone.";
    });
  };
  return h(
    "div",
    { key: String(id), class: bad ? "notice is-failed" : "notice" },
    h("span", null, text),
    undo && h("button", { type: "button", onclick: revert }, "Undo"),
    h("button", { type: "button", class: "quiet", "aria-label": "Dismiss", onclick: () => dismiss(id) }, "×"),
  );
}
