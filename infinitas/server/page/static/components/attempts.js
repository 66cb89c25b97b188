/** Attempts as bars on one axis, from the due time to the end: waiting, running, waiting for the next try. */

import { clock } from "../lib/clock.js";
import { h } from "../lib/dom.js";
import { clockTime, duration } from "../lib/format.js";
import { badge } from "./state.js";

/** @typedef {import("../lib/types.js").Job} Job */
/** @typedef {import("../lib/types.js").Attempt} Attempt */
/** @typedef {{ from: number, to: number }} Span */

const HEIGHT = 16;

/** @param {Job} job @param {Attempt[]} attempts */
export function attemptBars(job, attempts) {
  const shown = attempts.length > 0 ? attempts : own(job);
  if (shown.length === 0) return null;
  const from = Math.min(
    Date.parse(job.due),
    ...shown.flatMap(({ started }) => (started ? [Date.parse(started)] : [])),
  );
  const last = Math.max(...shown.map((attempt) => endOf(attempt, job)));
  const axis = { from, to: Math.max(last, from + 1) };
  return h(
    "div",
    { class: "attempts" },
    h(
      "ol",
      null,
      shown.map((attempt, n) => attemptRow(job, attempt, shown[n - 1], axis)),
    ),
    h(
      "div",
      { class: "ends faint", "aria-hidden": "true" },
      h("span", null, "due ", clockTime(from)),
      h("span", null, job.ended ? "ended " : "now ", clockTime(axis.to)),
    ),
  );
}

/** The attempt that runs, or the only one, before the archive has it. @param {Job} job @returns {Attempt[]} */
function own(job) {
  if (!job.started) return [];
  const { attempt, worker, started, ended, reason, error, traceback } = job;
  return [{ attempt, outcome: job.state, worker, started, ended, reason, error, traceback }];
}

/** @param {Attempt} attempt @param {Job} job */
function endOf(attempt, job) {
  return Date.parse(attempt.ended ?? job.ended ?? "") || clock.now();
}

/** @param {Job} job @param {Attempt} attempt @param {Attempt | undefined} before @param {Span} axis */
function attemptRow(job, attempt, before, axis) {
  const end = endOf(attempt, job);
  const start = attempt.started ? Date.parse(attempt.started) : end;
  const begin = Math.min(start, before ? endOf(before, job) : Date.parse(job.due));
  const waited = duration((start - begin) / 1000);
  const ran = duration((end - start) / 1000);
  return h(
    "li",
    { key: String(attempt.attempt) },
    h("span", { class: "try" }, h("b", null, `#${attempt.attempt}`), badge(attempt.outcome)),
    bars(
      axis,
      { from: begin, to: start },
      { from: start, to: end },
      attempt.outcome,
      `waited ${waited}, ran ${ran}`,
    ),
    h("span", { class: "faint" }, `waited ${waited} · ran ${ran}`),
    h("span", { class: "faint" }, attempt.worker ?? ""),
    attempt.error && h("span", { class: "fault" }, attempt.error.split("\n")[0]),
  );
}

/** @param {Span} axis @param {Span} waiting @param {Span} running @param {string} outcome @param {string} label */
function bars(axis, waiting, running, outcome, label) {
  const share = (/** @type {number} */ at) => (100 * (at - axis.from)) / (axis.to - axis.from);
  /** @param {Span} span @param {number} least @param {number} inset @param {string} kind */
  const bar = (span, least, inset, kind) =>
    h("rect", {
      class: kind,
      x: `${share(span.from)}%`,
      width: `${Math.max(share(span.to) - share(span.from), least)}%`,
      y: inset,
      height: HEIGHT - 2 * inset,
      rx: 2,
    });
  return h(
    "svg",
    { class: "bars", height: HEIGHT, role: "img", "aria-label": label },
    bar(waiting, 0, 6, "is-waiting"),
    h("g", { class: `is-${outcome}` }, bar(running, 0.4, 1, "is-run")),
  );
}
