/** Short messages about what an action did, with an undo where there is one; and questions before an action. */

import { h, render } from "../lib/dom.js";

const SHOWN_MS = 8_000;
/** @typedef {{ id: number, text: string, bad: boolean, undo?: () => void }} Notice */

/** @type {Notice[]} */
let notices = [];
let lastId = 0;
const area = document.createElement("div");
area.className = "notices";
area.setAttribute("role", "status");
document.body.append(area);

/** @param {string} text @param {{ bad?: boolean, undo?: () => void }} [options] */
export function notify(text, { bad = false, undo } = {}) {
  const id = ++lastId;
  notices = [...notices.slice(-3), { id, text, bad, undo }];
  show();
  setTimeout(() => dismiss(id), bad ? SHOWN_MS * 2 : SHOWN_MS);
}

/** Do something and report the outcome. @param {() => Promise<string>} action */
export async function act(action) {
  try {
    notify(await action());
    return true;
  } catch (error) {
    notify(error instanceof Error ? error.message : String(error), { bad: true });
    return false;
  }
}

/** @param {number} id */
function dismiss(id) {
  notices = notices.filter((notice) => notice.id !== id);
  show();
}

function show() {
  render(
    area,
    notices.map(({ id, text, bad, undo }) =>
      h(
        "div",
        { key: String(id), class: bad ? "notice is-failed" : "notice" },
        h("span", null, text),
        undo && h("button", { type: "button", onclick: () => (dismiss(id), undo()) }, "Undo"),
        h(
          "button",
          { type: "button", class: "quiet", "aria-label": "Dismiss", onclick: () => dismiss(id) },
          "×",
        ),
      ),
    ),
  );
}

/**
 * @typedef {{ name: string, label: string, value?: string, type?: string, required?: boolean, hint?: string,
 *   rows?: number }} Field
 */

/**
 * Ask in a dialog. Resolves to the values of its fields, or to null if it was closed.
 *
 * @param {{ title: string, text?: import("../lib/dom.js").Parts, button: string, fields?: Field[], danger?: boolean }} question
 * @returns {Promise<Record<string, string> | null>}
 */
export function ask({ title, text, button, fields = [], danger = false }) {
  const dialog = document.createElement("dialog");
  document.body.append(dialog);
  return new Promise((resolve) => {
    /** @param {SubmitEvent} event */
    const submit = (event) => {
      event.preventDefault();
      const values = new FormData(/** @type {HTMLFormElement} */ (event.target));
      finish(Object.fromEntries([...values].map(([name, value]) => [name, String(value)])));
    };
    /** @param {Record<string, string> | null} answer */
    const finish = (answer) => {
      resolve(answer);
      dialog.remove();
    };
    dialog.onclose = () => finish(null);
    dialog.setAttribute("aria-label", title);
    render(
      dialog,
      h(
        "form",
        { class: "question", onsubmit: submit },
        h("h2", null, title),
        text && h("div", { class: "faint" }, text),
        fields.map(fieldOf),
        h(
          "div",
          { class: "buttons" },
          h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Close"),
          h("button", { type: "submit", class: danger ? "danger" : "primary" }, button),
        ),
      ),
    );
    dialog.showModal();
  });
}

/** @param {Field} field */
function fieldOf({ name, label, value = "", type = "text", required = false, hint, rows }) {
  const given = { name, required, autocomplete: "off", spellcheck: "false" };
  return h(
    "label",
    { class: "field" },
    h("span", null, label),
    rows
      ? h("textarea", { ...given, rows, ".value": value })
      : h("input", { ...given, type, ".value": value }),
    hint && h("small", { class: "faint" }, hint),
  );
}
