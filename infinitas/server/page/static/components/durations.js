/** The last jobs of a task as columns: height = duration, colour and shape = outcome; each opens its job. */

import { h } from "../lib/dom.js";
import { clockTime, duration } from "../lib/format.js";
import { to } from "../lib/router.js";
import { quantile } from "../lib/quantile.js";

/** @typedef {import("../lib/types.js").Job} Job */

const HEIGHT = 72;
const WIDTH = 10;
const LEAST = 4;

/** @param {Job[]} jobs latest first */
export function durations(jobs) {
  const ended = jobs.filter((job) => job.duration !== null).reverse();
  if (ended.length < 2) return null;
  const values = ended.map((job) => job.duration ?? 0);
  const longest = Math.max(...values, 0.001);
  const [middle, slow] = [quantile(values, 0.5) ?? 0, quantile(values, 0.95) ?? 0];
  return h(
    "figure",
    { class: "durations" },
    h(
      "figcaption",
      { class: "faint" },
      `Last ${ended.length}: p50 ${duration(middle)}, p95 ${duration(slow)}, longest ${duration(longest)}`,
    ),
    h(
      "div",
      { class: "columns" },
      ended.map((job) => column(job, longest)),
    ),
  );
}

/** @param {Job} job @param {number} longest */
function column(job, longest) {
  const height = LEAST + (HEIGHT - LEAST) * (Math.max(0, job.duration ?? 0) / longest);
  const title = `${clockTime(job.due)} · ${job.state} · ${duration(job.duration ?? 0)}`;
  return h(
    "a",
    {
      href: to(["jobs", job.id]),
      key: job.id,
      title,
      "aria-label": title,
      tabindex: "-1",
      class: `is-${job.state}`,
    },
    h(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      shape(job.state, height),
    ),
  );
}

/** Those that did not succeed have a notch. @param {string} state @param {number} height */
function shape(state, height) {
  const top = HEIGHT - height;
  if (state === "succeeded") return h("rect", { x: 1, y: top, width: WIDTH - 2, height });
  return h("path", { d: `M1 ${top}l4 ${LEAST}l4 ${-LEAST}V${HEIGHT}H1Z` });
}
