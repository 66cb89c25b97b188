/** The axis above the lanes: round times of the chosen zone, now, and clock changes. */

import { clock } from "../lib/clock.js";
import { h } from "../lib/dom.js";
import { zoneName } from "../lib/prefs.js";
import { formatOf, offsetMinutes } from "../lib/zones.js";

/** @typedef {import("../lib/types.js").ClockChange} ClockChange */

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const STEPS_MS = [5, 10, 15, 30]
  .map((each) => each * MINUTE_MS)
  .concat([1, 3, 6, 12, 24, 48].map((each) => each * HOUR_MS));
const MOST_TICKS = 9;
/** Room that the word at now needs, as a share of the width: of a wide window, and of a narrow one. */
const ROOM = [1 / 18, 1 / 6];
/** As a part of that room: half a tick is that wide. */
const EDGE = 0.6;
const NARROW_PX = 1_000;

/** @param {number} from @param {number} to @param {ClockChange[]} changes */
export function axis(from, to, changes) {
  const now = clock.now();
  const step = STEPS_MS.find((each) => (to - from) / each <= MOST_TICKS) ?? 7 * DAY_MS;
  const offset = offsetMinutes(zoneName(), from) * MINUTE_MS;
  const room = (to - from) * /** @type {number} */ (ROOM[innerWidth < NARROW_PX ? 1 : 0]);
  const ticks = [];
  for (let at = Math.ceil((from + offset) / step) * step - offset; at < to; at += step) {
    const edge = Math.min(at - from, to - at);
    if (Math.abs(at - now) > room && edge > room * EDGE)
      ticks.push(tick((at - from) / (to - from), label(at, step)));
  }
  ticks.push(tick((now - from) / (to - from), "now", "is-now"));
  for (const change of changes)
    ticks.push(tick((Date.parse(change.at) - from) / (to - from), changeText(change), "is-change"));
  return h("div", { class: "axis", "aria-hidden": "true" }, ticks);
}

/** @param {number} at @param {number} step */
function label(at, step) {
  const zone = zoneName();
  const time = formatOf("minutes", zone).format(at);
  if (step < DAY_MS && time !== "00:00") return time;
  return formatOf("day", zone).format(at);
}

/** @param {ClockChange} change */
function changeText({ zone, shift }) {
  const city = zone.split("/").at(-1)?.replaceAll("_", " ");
  return `${city} ${shift > 0 ? "+" : "−"}${Math.abs(shift) / 3600} h`;
}

/** @param {number} share of the width @param {string} text @param {string} [kind] */
function tick(share, text, kind = "") {
  return h("inf-tick", { ".share": share, class: kind, key: `${kind} ${text} ${share.toFixed(3)}` }, text);
}

/** Markup may hold no style, so the element places itself. */
class Tick extends HTMLElement {
  /** @param {number} share */
  set share(share) {
    this.style.left = `${share * 100}%`;
  }
}

customElements.define("inf-tick", Tick);
