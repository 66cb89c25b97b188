/** Why a job does not run yet, and since when. */

import { h } from "../lib/dom.js";
import { plural } from "../lib/format.js";
import { to } from "../lib/router.js";
import { ago, until } from "./time.js";

/** @typedef {import("../lib/types.js").Job} Job */
/** @typedef {import("../lib/types.js").Waiting} Waiting */
/** @typedef {import("../lib/dom.js").Parts} Parts */

/** By code, as in docs/http.md. @type {Record<string, (waiting: Waiting, job: Job) => Parts>} */
const CAUSES = {
  scheduled: () => "It waits for its time",
  ping: () => "It waits for a ping from where it runs",
  overlap: ({ behind }) => [
    "It waits for the end of ",
    behind && h("a", { href: to(["jobs", behind]) }, behind),
  ],
  retry_delay: () => "It waits for its next attempt",
  no_worker: (_waiting, { task }) => `No live worker serves ${task}`,
  max_running: ({ limit }) => `${plural(limit ?? 0, "job")} of the task run, no more may run at once`,
  rate: ({ limit }) =>
    `The rate of the task is used up: ${plural(limit ?? 0, "job")} have begun in its period`,
  busy: () => "All workers that serve the task are busy",
  ready: () => "It is ready for the next claim of a worker",
};

/** @param {Job} job @param {Waiting | null | undefined} waiting */
export function whyWaiting(job, waiting) {
  const cause = waiting && CAUSES[waiting.code];
  if (!waiting || !cause || job.ended) return null;
  const { since, ahead, code } = waiting;
  return h(
    "p",
    { class: "why", key: "why" },
    h("b", null, cause(waiting, job)),
    since && [", since ", ago(since)],
    waiting.until && [", ", until(waiting.until)],
    ". ",
    ahead ? `${plural(ahead, "job")} of the task come first. ` : "",
    code === "no_worker" && ["Start one: ", h("code", null, "infinitas worker module:app")],
  );
}
