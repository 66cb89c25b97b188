/** Queues: how much waits and runs, and since when. */

import { get } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { count } from "../lib/format.js";
import { waiting } from "../components/section.js";
import { NONE, cell, row, table } from "../components/table.js";
import { ago } from "../components/time.js";

/** @typedef {import("../lib/types.js").Queue} Queue */

const COLUMNS = [
  "Queue",
  "Ready",
  "Oldest",
  "In / min",
  "Out / min",
  "Running",
  "Later",
  "Tasks",
  "Not archived",
];

const MEANINGS =
  "Ready jobs wait for a worker. Later: jobs that wait for their time or for their next try. " +
  "Not archived: events that the archiver has yet to write into Postgres.";

/** @param {import("../context.js").Context} context @returns {import("../shell.js").View} */
export function queuesView(context) {
  const load = () => /** @type {Promise<Queue[]>} */ (get("queues"));
  const queues = context.resource(["jobs"], load, { everyMs: 1_000, pollMs: 5_000 });
  return {
    title: "Queues",
    render: () => [
      h("h1", null, "Queues"),
      queues.value ? table(COLUMNS, queues.value.map(queueRow)) : waiting(queues),
      queues.value && queues.value.length > 0 && h("p", { class: "faint" }, MEANINGS),
      queues.value?.length === 0 && h("p", { class: "empty" }, "No queue yet: it comes with the first task."),
    ],
  };
}

/** @param {Queue} queue */
function queueRow(queue) {
  return row(queue.name, [
    h(
      "td",
      { class: "name" },
      h("b", null, queue.name),
      queue.unreadable && h("small", { class: "fault" }, queue.unreadable),
    ),
    cell("Ready", count(queue.queued)),
    cell("Oldest", queue.queued > 0 ? ago(queue.oldest, "none") : NONE),
    cell("In / min", perMinute(queue.came)),
    cell("Out / min", perMinute(queue.ended)),
    cell("Running", count(queue.running)),
    cell("Later", count(queue.waiting)),
    cell("Tasks", count(queue.tasks)),
    cell("Not archived", count(queue.events)),
  ]);
}

/** The mean of about five minutes. @param {number | null} rate null while Postgres is away */
function perMinute(rate) {
  return rate === null ? "–" : rate > 0 && rate < 10 ? rate.toFixed(1) : count(Math.round(rate));
}
