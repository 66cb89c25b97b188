/** Edit a schedule's rule: a live preview while typing, and what changes in the next 24 hours before saving. */

import { part, send } from "../lib/api.js";
import { clock } from "../lib/clock.js";
import { h, render } from "../lib/dom.js";
import { clockTime, plural } from "../lib/format.js";
import { refresh } from "./actions.js";
import { act } from "./notices.js";

/** @typedef {import("../lib/types.js").Schedule} Schedule */

const AHEAD_MS = 86_400_000;
const MOST = 100;
const SHOWN = 6;

/** @param {import("../shell.js").Context} context @param {Schedule} schedule */
export async function editSchedule(context, schedule) {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", `Edit ${schedule.key}`);
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  let cron = schedule.cron ?? "";
  let timezone = schedule.timezone;
  /** @type {import("../lib/dom.js").Parts} */
  let outcome = null;
  let good = false;
  let asked = 0;
  const before = await slotsOf(schedule.cron ?? "", schedule.timezone).catch(() => []);

  const draw = () =>
    render(
      dialog,
      h(
        "form",
        { class: "question", onsubmit: save },
        h("h2", null, `Edit ${schedule.key}`),
        field("Cron", "cron", cron, (value) => (cron = value)),
        field("Time zone", "timezone", timezone, (value) => (timezone = value)),
        h("div", { class: "preview", role: "status" }, outcome),
        h(
          "div",
          { class: "buttons" },
          h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Close"),
          h("button", { type: "submit", class: "primary", disabled: !good }, "Save"),
        ),
      ),
    );
  /** @param {string} label @param {string} name @param {string} value @param {(value: string) => void} set */
  const field = (label, name, value, set) =>
    h(
      "label",
      { class: "field" },
      h("span", null, label),
      h("input", {
        name,
        ".value": value,
        spellcheck: "false",
        autocomplete: "off",
        oninput: (/** @type {InputEvent} */ event) => (
          set(/** @type {HTMLInputElement} */ (event.target).value), void preview()
        ),
      }),
    );
  const preview = async () => {
    const number = ++asked;
    try {
      const after = await slotsOf(cron, timezone);
      if (number !== asked) return;
      outcome = difference(before, after);
      good = true;
    } catch (error) {
      if (number !== asked) return;
      outcome = h("p", { class: "fault" }, error instanceof Error ? error.message : String(error));
      good = false;
    }
    draw();
  };
  /** @param {SubmitEvent} event */
  const save = async (event) => {
    event.preventDefault();
    const saved = await act(async () => {
      await send("PATCH", `schedules/${part(schedule.key)}`, { cron, timezone });
      refresh(context);
      return `Saved ${schedule.key}. It stays until the code declares another rule.`;
    });
    if (saved) dialog.close();
  };

  draw();
  dialog.showModal();
  await preview();
}

/** Slots of the next 24 hours, at most 100. @param {string} cron @param {string} timezone */
async function slotsOf(cron, timezone) {
  const preview = await send("POST", `schedules/preview?n=${MOST}`, { cron, timezone });
  const until = clock.now() + AHEAD_MS;
  const slots = preview.slots.map((/** @type {{ utc: string }} */ { utc }) => utc);
  return /** @type {string[]} */ (slots.filter((/** @type {string} */ slot) => Date.parse(slot) <= until));
}

/** @param {string[]} before @param {string[]} after */
function difference(before, after) {
  const old = new Set(before.map((slot) => Date.parse(slot)));
  const now = new Set(after.map((slot) => Date.parse(slot)));
  const gained = after.filter((slot) => !old.has(Date.parse(slot)));
  const lost = before.filter((slot) => !now.has(Date.parse(slot)));
  return [
    h("p", null, `Next 24 hours: ${plural(after.length, "slot")}${after.length === MOST ? " or more" : ""}.`),
    change("gained", "+", gained),
    change("lost", "−", lost),
    gained.length + lost.length === 0 && h("p", { class: "faint" }, "No slot changes."),
  ];
}

/** @param {string} name @param {string} sign @param {string[]} slots */
function change(name, sign, slots) {
  if (slots.length === 0) return null;
  const rest = slots.length > SHOWN ? ` and ${slots.length - SHOWN} more` : "";
  return h(
    "p",
    { class: name },
    `${sign}${slots.length} ${name}: ${slots.slice(0, SHOWN).map(clockTime).join(", ")}${rest}`,
  );
}
