/** What a lane shows, from the API's counts: marks with a time, an outcome and a reason. */

import { clock } from "../lib/clock.js";
import { clockTime, duration, plural } from "../lib/format.js";

/** @typedef {import("../lib/types.js").Lane} Lane */
/** @typedef {import("../lib/types.js").Job} Job */
/**
 * `state`: of a job, or "absent" (a slot without a job), or "future". `end` of a running job moves with the clock;
 * `typical` is where such jobs usually end.
 *
 * @typedef {{ start: number, end: number, state: string, count: number, why: string, job: string | null,
 *   longest: number | null, typical: number | null }} Mark
 */
/** @typedef {{ from: number, to: number }} Span */
/**
 * @typedef {Span & { bucketMs: number, marks: Mark[], pauses: Span[], changes: number[], name: string }} LaneData
 */

/** The worst first. */
const WORST = [
  "failed",
  "missed",
  "absent",
  "cancelled",
  "skipped",
  "retrying",
  "running",
  "queued",
  "succeeded",
];

/** @param {Lane} lane @param {number} bucketMs @param {Job[]} running jobs of this task @param {number | null} typicalMs */
export function marksOf(lane, bucketMs, running, typicalMs) {
  const live = new Set(running.map(({ id }) => id));
  const past = lane.past
    .filter(({ job, count }) => count > 1 || !live.has(job ?? ""))
    .map((each) => pastMark(each, bucketMs));
  const absent = lane.absent.map((each) => slotMark(each, "absent", "due, and not fired", bucketMs));
  const future = lane.future.map((each) => slotMark(each, "future", "", bucketMs));
  const now = running.map((job) => runningMark(job, typicalMs));
  return [...past, ...absent, ...future, ...now].sort((a, b) => a.start - b.start);
}

/** @param {import("../lib/types.js").Past} past @param {number} bucketMs @returns {Mark} */
function pastMark({ start, state, count, reason, job, longest }, bucketMs) {
  const from = Date.parse(start);
  const took = count === 1 && longest ? longest * 1000 : 0;
  const why = reason ?? "";
  return {
    start: from,
    end: from + Math.max(bucketMs, took),
    state,
    count,
    why,
    job,
    longest,
    typical: null,
  };
}

/** @param {import("../lib/types.js").SlotCount} slot @param {string} state @param {string} why
 * @param {number} bucketMs @returns {Mark} */
function slotMark({ start, schedule, count }, state, why, bucketMs) {
  const from = Date.parse(start);
  const reason = why || `of ${schedule}`;
  return {
    start: from,
    end: from + bucketMs,
    state,
    count,
    why: reason,
    job: null,
    longest: null,
    typical: null,
  };
}

/** @param {Job} job @param {number | null} typicalMs @returns {Mark} */
function runningMark(job, typicalMs) {
  const start = Date.parse(job.started ?? job.due);
  const why = job.step ?? "";
  const typical = typicalMs === null ? null : start + typicalMs;
  return { start, end: Number.NaN, state: "running", count: 1, why, job: job.id, longest: null, typical };
}

/** @param {Mark} mark */
export function endOf(mark) {
  return Number.isNaN(mark.end) ? Math.max(clock.now(), mark.start) : mark.end;
}

/** @param {string} state the smaller, the worse */
export function rank(state) {
  const found = WORST.indexOf(state);
  return found < 0 ? WORST.length : found;
}

/** @param {Mark} mark */
export function outcome({ state, count }) {
  if (state === "future") return plural(count, "slot to come", "slots to come");
  if (state === "absent") return `${plural(count, "slot")} without a job`;
  return `${plural(count, "job")} ${state}`;
}

/** @param {Mark} mark */
export function describe(mark) {
  const parts = [clockTime(mark.start), outcome(mark)];
  if (mark.why) parts.push(mark.why.replaceAll("_", " "));
  if (mark.longest !== null) parts.push(`${mark.count > 1 ? "longest " : ""}${duration(mark.longest)}`);
  return parts.join(", ");
}

/** @param {Lane} lane */
export function summarize(lane) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { state, count } of lane.past) counts.set(state, (counts.get(state) ?? 0) + count);
  const absent = lane.absent.reduce((sum, { count }) => sum + count, 0);
  const parts = [...counts].map(([state, count]) => `${count} ${state}`);
  if (absent) parts.push(`${absent} due without a job`);
  return parts.join(", ") || "no job";
}
