/** Why a job does not run yet, and since when. */

import { h } from "../lib/dom.js";
import { ago, until } from "./time.js";

/** @typedef {import("../lib/types.js").Job} Job */
/** @typedef {import("../lib/types.js").Task} Task */

/** @type {Record<string, string>} */
const WHY = {
  scheduled: "It waits for its time",
  queued: "It is ready, and waits for a worker",
  retrying: "It waits for its next attempt",
};

/** @param {Job} job @param {Task | undefined} task */
export function whyWaiting(job, task) {
  const why = WHY[job.state];
  if (!why) return null;
  const moment = job.ready ?? (job.state === "scheduled" ? job.due : null);
  const alone = task && !task.has_worker;
  return h(
    "p",
    { class: "why", key: "why" },
    h("b", null, why),
    moment && job.state !== "queued"
      ? [", ready ", until(moment), "."]
      : [", since ", ago(moment ?? job.due), "."],
    alone && [
      " No worker serves ",
      job.task,
      ": start one with ",
      h("code", null, "infinitas worker module:app"),
      ".",
    ],
  );
}
