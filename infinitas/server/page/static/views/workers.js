/** Workers by host: how busy they are, what each runs, and the tasks that none serves. */

import { get, getTasks } from "../lib/api.js";
import { clock } from "../lib/clock.js";
import { h } from "../lib/dom.js";
import { count, duration, plural } from "../lib/format.js";
import { served } from "../lib/health.js";
import { term } from "../lib/query.js";
import { to } from "../lib/router.js";
import { noWorker } from "../components/empty.js";
import { section, waiting } from "../components/section.js";
import { NONE, cell, row, table } from "../components/table.js";
import { ago } from "../components/time.js";
import { drainAction } from "../components/worker_actions.js";

/** @typedef {import("../context.js").Context} Context */
/** @typedef {import("../lib/types.js").Job} Job */
/** @typedef {import("../lib/types.js").JobPage} JobPage */
/** @typedef {import("../lib/types.js").TaskLine} Task */
/** @typedef {import("../lib/types.js").Worker} Worker */

const COLUMNS = ["Worker", "Busy", "Runs now", "Heartbeat", "Tasks", "Version", "Started", ""];
const MOST_JOBS = 3;
const MOST_TASKS = 3;
const RUNNING = { state: "running", limit: 500 };

/** @param {Context} context @returns {import("../shell.js").View} */
export function workersView(context) {
  const workers = context.resource(["workers"], () => /** @type {Promise<Worker[]>} */ (get("workers")), {
    everyMs: 2_000,
    pollMs: 4_000,
  });
  const tasks = context.resource(["tasks", "workers"], getTasks, {
    everyMs: 2_000,
  });
  const running = context.resource(["jobs"], () => /** @type {Promise<JobPage>} */ (get("jobs", RUNNING)), {
    everyMs: 2_000,
  });
  return {
    title: "Workers",
    render: () => {
      if (!workers.value) return [h("h1", null, "Workers"), waiting(workers)];
      const jobs = Map.groupBy(running.value?.items ?? [], (job) => job.worker ?? "");
      const hosts = Map.groupBy([...workers.value].sort(byName), ({ host }) => host);
      return [
        head(workers.value),
        workers.value.length === 0 && none(),
        [...hosts].map(([host, own]) => section(host, workerTable(context, own, jobs))),
        unserved((tasks.value ?? []).filter((task) => !served(task))),
      ];
    },
  };
}

/** @param {Worker} a @param {Worker} b */
function byName(a, b) {
  return a.host + a.id < b.host + b.id ? -1 : 1;
}

/** @param {Worker[]} workers */
function head(workers) {
  const busy = workers.reduce((sum, worker) => sum + worker.busy, 0);
  const capacity = workers.reduce((sum, worker) => sum + worker.capacity, 0);
  const text = `${plural(workers.length, "worker")}, ${count(busy)} of ${count(capacity)} places busy`;
  return h(
    "div",
    { class: "bar" },
    h("h1", null, "Workers"),
    workers.length > 0 && h("span", { class: "faint" }, text),
  );
}

function none() {
  return h(
    "p",
    { class: "empty" },
    "No worker is live. Start one: ",
    h("code", null, "infinitas worker module:app"),
  );
}

/** @param {Context} context @param {Worker[]} workers @param {Map<string, Job[]>} jobs */
function workerTable(context, workers, jobs) {
  return table(
    COLUMNS,
    workers.map((worker) => workerRow(context, worker, jobs.get(worker.id) ?? [])),
  );
}

/** @param {Context} context @param {Worker} worker @param {Job[]} jobs */
function workerRow(context, worker, jobs) {
  const list = to(["jobs"], { q: `${term("worker", worker.id)} state:running` });
  return row(worker.id, [
    h(
      "td",
      { class: "name" },
      h("a", { href: list }, worker.id),
      h("small", { class: "faint" }, `process ${worker.pid}`),
      worker.stops && h("small", { class: "faint" }, "stops when its jobs have ended"),
      worker.unreadable && h("small", { class: "fault" }, worker.unreadable),
    ),
    cell(
      "Busy",
      [
        h("meter", { max: worker.capacity, value: worker.busy, "aria-label": "Busy places" }),
        ` ${worker.busy}/${worker.capacity}`,
      ],
      "busy",
    ),
    cell("Runs now", jobsOf(jobs, list)),
    cell("Heartbeat", ago(worker.last_beat), "time"),
    cell("Tasks", tasksOf(worker), "serves"),
    cell("Version", worker.version, "faint"),
    cell("Started", ago(worker.started), "time"),
    h("td", { class: "actions" }, drainAction(context, worker)),
  ]);
}

/** @param {Job[]} jobs @param {string} list */
function jobsOf(jobs, list) {
  if (jobs.length === 0) return NONE;
  const rest = jobs.length - MOST_JOBS;
  return [
    jobs.slice(0, MOST_JOBS).map((job) => {
      const ran = job.started ? duration(Math.max(0, clock.now() - Date.parse(job.started)) / 1000) : "";
      return h(
        "div",
        { key: job.id },
        h("a", { href: to(["jobs", job.id]) }, job.task),
        h("span", { class: "faint" }, ` ${ran}`),
      );
    }),
    rest > 0 && h("a", { href: list }, `${rest} more`),
  ];
}

/** @param {Worker} worker */
function tasksOf({ tasks }) {
  const rest = tasks.length - MOST_TASKS;
  const shown = tasks.slice(0, MOST_TASKS).join(", ");
  return h("span", { title: tasks.join(", ") }, rest > 0 ? `${shown} and ${rest} more` : shown);
}

/** @param {Task[]} tasks */
function unserved(tasks) {
  if (tasks.length === 0) return null;
  const items = tasks.map((task) =>
    h("li", { key: task.name }, h("a", { href: to(["tasks", task.name]) }, task.name), ": ", noWorker(task)),
  );
  return section(`${plural(tasks.length, "task")} without a worker`, h("ul", { class: "plain" }, items));
}
