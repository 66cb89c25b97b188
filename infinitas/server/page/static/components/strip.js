/** The last runs of a task as bars: height = duration, colour and shape = outcome. */

import { h } from "../lib/dom.js";
import { duration } from "../lib/format.js";

/** @typedef {import("../lib/types.js").Run} Run */

const HEIGHT = 22;
const STEP = 5;
const LEAST = 3;

/** @param {Run[]} runs oldest first @param {number} [most] */
export function strip(runs, most = 30) {
  const shown = runs.slice(-most);
  const longest = Math.max(1, ...shown.map((run) => run.duration_ms ?? 0));
  const width = most * STEP;
  const start = width - shown.length * STEP;
  const bad = shown.filter((run) => run.state !== "succeeded").length;
  const label = shown.length === 0 ? "no run yet" : `last ${shown.length} runs, ${bad} not succeeded`;
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

/** @param {Run} run @param {number} x @param {number} longest */
function bar(run, x, longest) {
  const height = LEAST + (HEIGHT - LEAST) * Math.sqrt(Math.max(0, run.duration_ms ?? 0) / longest);
  const title = h("title", null, `${run.state} · ${duration((run.duration_ms ?? 0) / 1000)} · ${run.ended}`);
  const shape =
    run.state === "succeeded"
      ? h("rect", { x, y: HEIGHT - height, width: STEP - 2, height, rx: 1 })
      : // A notch at the top: those that did not succeed differ by shape as well.
        h("path", { d: notched(x, HEIGHT - height, STEP - 2) });
  return h("g", { class: `is-${run.state}` }, title, shape);
}

/** @param {number} x @param {number} top @param {number} width */
function notched(x, top, width) {
  return `M${x} ${top}l${width / 2} ${LEAST}l${width / 2} ${-LEAST}V${HEIGHT}H${x}Z`;
}
