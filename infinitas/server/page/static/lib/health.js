/** What a task's state means for a person: one verdict, its cause, and how urgent it is. */

import { clock } from "./clock.js";
import { clockTime, duration, plural } from "./format.js";

/** @typedef {import("./types.js").TaskLine} Task */
/** @typedef {import("./types.js").Schedule} Schedule */
/**
 * `rank`: the smaller, the more urgent; those below `WELL` need attention.
 *
 * @typedef {{ kind: "failing" | "late" | "missed" | "no-worker" | "broken" | "paused" | "running" | "ok" | "new",
 *   word: string, cause: string, rank: number }} Health
 */

export const WELL = 10;
const GRACE_MS = 60_000;

/** @param {Task} task @param {Schedule[]} schedules those of this task @returns {Health} */
export function healthOf(task, schedules) {
  const unreadable = task.unreadable ?? schedules.find((each) => each.unreadable)?.unreadable;
  if (unreadable) return { kind: "broken", word: "unreadable", cause: unreadable, rank: 0 };
  if (task.streak < 0) return failing(task);
  const late = schedules.map(lateness).sort((a, b) => b - a)[0] ?? 0;
  if (late > 0) return overdue(task, late);
  if (task.last_job?.status === "missed") return missed(task.last_job);
  if (!served(task) && task.queued > 0) {
    return {
      kind: "no-worker",
      word: "no worker",
      cause: `${plural(task.queued, "job")} wait for a worker`,
      rank: 3,
    };
  }
  return calm(task, schedules);
}

/** An external task needs no worker: its runs are reported by pings. @param {Task} task */
export function served(task) {
  return task.has_worker || task.external;
}

/** @param {Task} task @returns {Health} */
function failing(task) {
  const times = -task.streak;
  const cause = task.last_error ?? "the last job failed";
  return { kind: "failing", word: times > 1 ? `failed ${times}×` : "failed", cause, rank: 1 };
}

/** @param {Task} task @param {number} lateMs @returns {Health} */
function overdue(task, lateMs) {
  const why = served(task) ? "no scheduler has fired the slot" : "and no worker serves the task";
  return { kind: "late", word: "late", cause: `due ${duration(lateMs / 1000)} ago, ${why}`, rank: 2 };
}

/** @param {import("./types.js").LastJob} last @returns {Health} */
function missed({ date }) {
  return { kind: "missed", word: "missed", cause: `the slot of ${clockTime(date)} became no job`, rank: 3 };
}

/** @param {Task} task @param {Schedule[]} schedules @returns {Health} */
function calm(task, schedules) {
  const paused = schedules.find((each) => each.paused)?.paused;
  if (paused) return { kind: "paused", word: "paused", cause: paused.reason, rank: WELL + 1 };
  if (task.running > 0) return { kind: "running", word: "running", cause: "", rank: WELL };
  if (!served(task) && schedules.length > 0) {
    return {
      kind: "no-worker",
      word: "no worker",
      cause: "a slot comes, and no worker serves the task",
      rank: 4,
    };
  }
  if (!task.last_job) return { kind: "new", word: "no job yet", cause: "", rank: WELL + 3 };
  return { kind: "ok", word: "ok", cause: "", rank: WELL + 2 };
}

/** How long a slot is overdue beyond its grace, in ms. @param {Schedule} schedule */
function lateness(schedule) {
  if (!schedule.next_slot || schedule.paused) return 0;
  const late = clock.now() - Date.parse(schedule.next_slot);
  return late > (schedule.grace === null ? GRACE_MS : schedule.grace * 1000) ? late : 0;
}
