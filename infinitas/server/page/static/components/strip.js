/** The last runs of a task as bars: height = duration, colour and shape = outcome. */

import { h } from "../lib/dom.js";
import { duration, fullTime, plural } from "../lib/format.js";
import { zoneName } from "../lib/prefs.js";

/** @typedef {import("../lib/types.js").Runs} Runs */
/** @typedef {{ state: string, ms: number, ended: number }} Run `ended` in ms since 1970 */

const HEIGHT = 22;
const STEP = 5;
const LEAST = 3;
const MOST = 30;

/** Drawn again only if the runs are others: a view of many tasks has thousands of bars.
 * @type {WeakMap<Runs, { zone: string | undefined, drawn: import("../lib/dom.js").VNode }>} */
const strips = new WeakMap();

/** @param {Runs} runs */
export function strip(runs) {
  const zone = zoneName();
  const kept = strips.get(runs);
  if (kept && kept.zone === zone) return kept.drawn;
  const drawn = draw(runs);
  strips.set(runs, { zone, drawn });
  return drawn;
}

/** @param {Runs} runs */
function draw(runs) {
  const shown = runsOf(runs).slice(-MOST);
  const longest = Math.max(1, ...shown.map(({ ms }) => ms));
  const width = MOST * STEP;
  const start = width - shown.length * STEP;
  const bad = shown.filter(({ state }) => state !== "succeeded").length;
  const label = `last ${plural(shown.length, "run")}, ${bad} not succeeded`;
  return h(
    "svg",
    {
      class: "strip",
      viewBox: `0 0 ${width} ${HEIGHT}`,
      width,
      height: HEIGHT,
      role: "img",
      "aria-label": label,
    },
    shown.map((run, n) => bar(run, start + n * STEP, longest)),
  );
}

/** @param {Runs} runs @returns {Run[]} oldest first */
function runsOf({ last, ago_s, ms, states }) {
  const end = Date.parse(last);
  return ago_s.map((ago, n) => ({
    state: states[n] ?? "succeeded",
    ms: Math.max(0, ms[n] ?? 0),
    ended: end - ago * 1000,
  }));
}

/** @param {Run} run @param {number} x @param {number} longest */
function bar({ state, ms, ended }, x, longest) {
  const height = LEAST + (HEIGHT - LEAST) * Math.sqrt(ms / longest);
  const title = h("title", null, `${state} · ${duration(ms / 1000)} · ${fullTime(ended)}`);
  const shape =
    state === "succeeded"
      ? h("rect", { x, y: HEIGHT - height, width: STEP - 2, height, rx: 1 })
      : // A notch at the top: those that did not succeed differ by shape as well.
        h("path", { d: notched(x, HEIGHT - height, STEP - 2) });
  return h("g", { class: `is-${state}` }, title, shape);
}

/** @param {number} x @param {number} top @param {number} width */
function notched(x, top, width) {
  return `M${x} ${top}l${width / 2} ${LEAST}l${width / 2} ${-LEAST}V${HEIGHT}H${x}Z`;
}
