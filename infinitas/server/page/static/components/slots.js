/** `<inf-slots>`: the next slots of a schedule as the server computes them, with notes on clock changes. */

import { send } from "../lib/api.js";
import { h, render } from "../lib/dom.js";
import { clockTime, fullTime, isoDay, slotTime } from "../lib/format.js";
import { prefs, zoneName } from "../lib/prefs.js";

/** @typedef {import("../lib/types.js").Schedule} Schedule */
/** @typedef {import("../lib/types.js").Preview} Preview */

const SHOWN = 10;
const LEAST_MS = 10_000;
const MOST_WARNINGS = 2;

/** @param {Schedule} schedule */
export function slots(schedule) {
  return h("inf-slots", { ".schedule": schedule, key: `slots ${schedule.key} ${prefs.zone}` });
}

/** The rule of a schedule, as the API takes it. @param {Schedule} schedule */
export function ruleOf({ cron, every, at, timezone, jitter, start, end }) {
  const rule = cron ? { cron } : every ? { every } : { at };
  return { ...rule, timezone, jitter, start: start ?? undefined, end: end ?? undefined };
}

class Slots extends HTMLElement {
  #loadedAt = 0;
  #timer = 0;
  #rule = "";
  /** @type {Preview | undefined} */
  #preview;

  disconnectedCallback() {
    clearTimeout(this.#timer);
  }

  /** @param {Schedule} schedule */
  set schedule(schedule) {
    const rule = JSON.stringify(ruleOf(schedule));
    const wait = rule === this.#rule ? Math.max(0, this.#loadedAt + LEAST_MS - Date.now()) : 0;
    this.#rule = rule;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#load(schedule), wait);
    this.#draw(schedule);
  }

  /** @param {Schedule} schedule */
  async #load(schedule) {
    this.#loadedAt = Date.now();
    try {
      this.#preview = await send("POST", `schedules/preview?n=${SHOWN}`, ruleOf(schedule));
      this.#draw(schedule);
    } catch (error) {
      render(this, h("p", { class: "fault" }, error instanceof Error ? error.message : String(error)));
    }
  }

  /** @param {Schedule} schedule */
  #draw({ timezone, paused, skips }) {
    const preview = this.#preview;
    if (!preview) return;
    const first = paused ? Number.POSITIVE_INFINITY : skips;
    render(this, [
      h(
        "ol",
        { class: "slots" },
        preview.slots.map((slot, n) => slotView(slot, timezone, n < first)),
      ),
      preview.slots.length === 0 && h("p", { class: "faint" }, "No slot to come."),
      preview.warnings.slice(0, MOST_WARNINGS).map(warningView),
    ]);
  }
}

customElements.define("inf-slots", Slots);

/** @param {import("../lib/types.js").PreviewSlot} slot @param {string} zone @param {boolean} skipped */
function slotView({ utc, note }, zone, skipped) {
  const shown = slotTime(utc);
  const own = slotTime(utc, zone);
  const other = own !== shown && (zoneName() ?? "") !== zone;
  const sameDay = isoDay(new Date(utc), zone) === isoDay(new Date(utc), zoneName());
  return h(
    "li",
    { key: utc, class: skipped ? "is-left-out" : note ? "is-noted" : "", title: fullTime(utc, zone) },
    skipped ? h("s", null, shown) : shown,
    other &&
      h(
        "small",
        { class: "faint" },
        ` ${sameDay ? slotTime(utc, zone, utc) : own} ${zone.split("/").at(-1)?.replaceAll("_", " ")}`,
      ),
    note && h("small", null, ` ${note}`),
    skipped && h("small", { class: "faint" }, " no job"),
  );
}

/** @param {{ utc: string, note: string }} warning */
export function warningView({ utc, note }) {
  return h("p", { class: "note", key: `warning ${utc}` }, "Clock change ", clockTime(utc), ": ", note);
}
