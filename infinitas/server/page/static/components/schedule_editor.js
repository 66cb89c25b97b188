/** Edit a schedule's rule: a live preview while typing, and what changes in the next 24 hours before saving. */

import { part, send } from "../lib/api.js";
import { clock } from "../lib/clock.js";
import { h, render } from "../lib/dom.js";
import { plural, slotTime } from "../lib/format.js";
import { openDialog } from "./dialog.js";
import { act } from "./notices.js";
import { fieldOf } from "./question.js";
import { ruleOf, warningView } from "./slots.js";

/** @typedef {import("../lib/types.js").Schedule} Schedule */
/** @typedef {import("../lib/types.js").Preview} Preview */
/** @typedef {{ kind: "cron" | "every" | "at", value: string, timezone: string, overlap: string, catchUp: string }} Draft */

const AHEAD_MS = 86_400_000;
const MOST = 1_000;
const SHOWN = 6;
const PAUSE_MS = 150;
const KINDS = { cron: "Cron", every: "Every … seconds", at: "Once, at" };
const OVERLAPS = ["skip", "queue", "replace", "allow"];
const CATCH_UPS = ["latest", "all", "none"];

/** @param {import("../context.js").Context} context @param {Schedule} schedule */
export function editSchedule(context, schedule) {
  return new Editor(context, schedule).open();
}

class Editor {
  #context;
  #schedule;
  #dialog = openDialog("Edit the schedule", "editor");
  /** @type {Draft} */
  #draft;
  /** @type {import("../lib/dom.js").Parts} */
  #outcome = h("p", { class: "faint" }, "Loading …");
  #good = false;
  #asked = 0;
  #timer = 0;
  /** @type {string[]} */
  #before = [];

  /** @param {import("../context.js").Context} context @param {Schedule} schedule */
  constructor(context, schedule) {
    this.#context = context;
    this.#schedule = schedule;
    this.#draft = draftOf(schedule);
  }

  async open() {
    this.#draw();
    const before = await preview(ruleOf(this.#schedule)).catch(() => null);
    this.#before = before ? soon(before) : [];
    await this.#preview();
  }

  #draw() {
    const { key } = this.#schedule;
    render(
      this.#dialog,
      h(
        "form",
        {
          class: "question",
          onsubmit: (/** @type {Event} */ event) => void this.#save(event),
          oninput: (/** @type {Event} */ event) => this.#change(event),
        },
        h("h2", null, `Edit ${key}`),
        fieldsOf(this.#draft),
        h("div", { class: "preview", role: "status" }, this.#outcome),
        h("p", { class: "faint" }, "The change stays until the code declares another rule."),
        h(
          "div",
          { class: "buttons" },
          h("button", { type: "button", class: "quiet", onclick: () => this.#dialog.close() }, "Close"),
          h("button", { type: "submit", class: "primary", disabled: !this.#good }, "Save"),
        ),
      ),
    );
  }

  /** @param {Event} event */
  #change(event) {
    const { name, value } = /** @type {HTMLInputElement} */ (event.target);
    Object.assign(this.#draft, { [name]: value });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#preview(), PAUSE_MS);
  }

  async #preview() {
    const number = ++this.#asked;
    /** @type {import("../lib/dom.js").Parts} */
    let outcome;
    let good = true;
    try {
      const after = await preview(changeOf(this.#draft));
      outcome = previewView(
        after,
        this.#before,
        this.#draft.kind === "every" || Boolean(this.#schedule.every),
      );
    } catch (error) {
      outcome = h(
        "p",
        { class: "fault", key: "fault" },
        error instanceof Error ? error.message : String(error),
      );
      good = false;
    }
    if (number !== this.#asked || !this.#dialog.isConnected) return;
    this.#outcome = outcome;
    this.#good = good;
    this.#draw();
  }

  /** @param {Event} event */
  async #save(event) {
    event.preventDefault();
    const { key } = this.#schedule;
    const change = { ...changeOf(this.#draft), overlap: this.#draft.overlap, catch_up: this.#draft.catchUp };
    const old = {
      ...changeOf(draftOf(this.#schedule)),
      overlap: this.#schedule.overlap,
      catch_up: this.#schedule.catch_up,
    };
    const patch = (/** @type {unknown} */ body) => send("PATCH", `schedules/${part(key)}`, body);
    const saved = await act(async () => {
      await patch(change);
      this.#context.refresh();
      const undo = async () => {
        await patch(old);
        this.#context.refresh();
      };
      return { text: `Saved ${key}.`, undo };
    });
    if (saved) this.#dialog.close();
  }
}

/** @param {Schedule} schedule @returns {Draft} */
function draftOf({ cron, every, at, timezone, overlap, catch_up }) {
  const kind = cron !== null ? "cron" : every !== null ? "every" : "at";
  return { kind, value: String(cron ?? every ?? at ?? ""), timezone, overlap, catchUp: catch_up };
}

/** The change that the API takes. @param {Draft} draft */
function changeOf({ kind, value, timezone }) {
  const rule = kind === "every" ? { every: Number(value) } : kind === "at" ? { at: value } : { cron: value };
  return { ...rule, timezone };
}

/** @param {Draft} draft */
function fieldsOf({ kind, value, timezone, overlap, catchUp }) {
  const zones = Intl.supportedValuesOf("timeZone");
  return [
    fieldOf({ name: "value", label: KINDS[kind], value, required: true }),
    h(
      "label",
      { class: "field" },
      h("span", null, "Time zone"),
      h("input", {
        name: "timezone",
        ".value": timezone,
        list: "zones",
        autocomplete: "off",
        spellcheck: "false",
      }),
      h(
        "datalist",
        { id: "zones" },
        zones.map((zone) => h("option", { value: zone })),
      ),
    ),
    h(
      "div",
      { class: "pair" },
      fieldOf({ name: "overlap", label: "While the last job still runs", value: overlap, options: OVERLAPS }),
      fieldOf({ name: "catchUp", label: "After downtime", value: catchUp, options: CATCH_UPS }),
    ),
  ];
}

/** @param {unknown} rule @returns {Promise<Preview>} */
function preview(rule) {
  return send("POST", `schedules/preview?n=${MOST}`, rule);
}

/** Slots of the next 24 hours. @param {Preview} preview */
function soon(preview) {
  const until = clock.now() + AHEAD_MS;
  return preview.slots.map(({ utc }) => utc).filter((slot) => Date.parse(slot) <= until);
}

/** @param {Preview} preview @param {string[]} before @param {boolean} interval whose start differs, so that all slots do */
function previewView(preview, before, interval) {
  const after = soon(preview);
  const many = after.length >= MOST || before.length >= MOST;
  const next = preview.slots.slice(0, 3).map(({ utc }) => slotTime(utc));
  return [
    h("p", { key: "words" }, h("b", null, preview.description)),
    h("p", { key: "next" }, next.length ? `Next: ${next.join(", ")}` : "No slot to come."),
    interval || many ? counts(before, after) : difference(before, after),
    preview.warnings.slice(0, 2).map(warningView),
  ];
}

/** @param {string[]} before @param {string[]} after */
function counts(before, after) {
  const text = (/** @type {string[]} */ slots) =>
    plural(slots.length, "slot") + (slots.length >= MOST ? " or more" : "");
  return h("p", { key: "counts" }, `Next 24 hours: ${text(before)} before, ${text(after)} after.`);
}

/** @param {string[]} before @param {string[]} after */
function difference(before, after) {
  const old = new Set(before.map((slot) => Date.parse(slot)));
  const now = new Set(after.map((slot) => Date.parse(slot)));
  const gained = after.filter((slot) => !old.has(Date.parse(slot)));
  const lost = before.filter((slot) => !now.has(Date.parse(slot)));
  return [
    h("p", { key: "counts" }, `Next 24 hours: ${plural(after.length, "slot")}.`),
    changes("gained", "+", gained),
    changes("lost", "−", lost),
    gained.length + lost.length === 0 && h("p", { class: "faint", key: "same" }, "No slot changes."),
  ];
}

/** @param {string} name @param {string} sign @param {string[]} slots */
function changes(name, sign, slots) {
  if (slots.length === 0) return null;
  const rest = slots.length > SHOWN ? ` and ${slots.length - SHOWN} more` : "";
  const shown = slots.slice(0, SHOWN).map((slot) => slotTime(slot));
  return h("p", { class: name, key: name }, `${sign}${slots.length} ${name}: ${shown.join(", ")}${rest}`);
}
