/** Now: the verdict, what needs attention, four numbers, what runs, and the lanes of all tasks. */

import { get, getSchedules, getTasks } from "../lib/api.js";
import { clock } from "../lib/clock.js";
import { h } from "../lib/dom.js";
import { count, duration, percent, plural, relative } from "../lib/format.js";
import { WELL } from "../lib/health.js";
import { SteadyOrder, rowsOf } from "../lib/rows.js";
import { to } from "../lib/router.js";
import { STATISTICS_TIMES, loadDurations } from "../lib/statistics.js";
import { attentionActions } from "../components/actions.js";
import { emptyTasks, noWorker } from "../components/empty.js";
import { incidentBadge, incidentSubject, takeOn } from "../components/incident.js";
import { Lanes } from "../components/lanes.js";
import { figures, waiting } from "../components/section.js";
import { badge, mark } from "../components/state.js";
import { ago, until } from "../components/time.js";

/** @typedef {import("../context.js").Context} Context */
/** @typedef {import("../lib/rows.js").Row} Row */
/** @typedef {import("../lib/types.js").Incident} Incident */
/** @typedef {import("../lib/types.js").IncidentPage} IncidentPage */
/** @typedef {import("../lib/types.js").Job} Job */
/** @typedef {import("../lib/types.js").JobPage} JobPage */
/** @typedef {import("../lib/types.js").Queue} Queue */
/** @typedef {import("../lib/types.js").Schedule} Schedule */
/** @typedef {import("../lib/types.js").TaskLine} Task */
/** @typedef {import("../lib/types.js").Worker} Worker */

const MOST_ATTENTION = 6;
const MOST_INCIDENTS = 3;
const MOST_RUNNING = 3;
const OPEN = { open: true, limit: 200 };
const RUNNING = { state: "running", limit: 200 };

/** @param {Context} context @returns {import("../shell.js").View} */
export function nowView(context) {
  const topics = ["tasks", "jobs", "schedules", "workers"];
  const tasks = context.resource(topics, getTasks);
  const schedules = context.resource(["schedules"], getSchedules, { everyMs: 2_000 });
  const workers = context.resource(["workers"], () => /** @type {Promise<Worker[]>} */ (get("workers")), {
    pollMs: 10_000,
  });
  const queues = context.resource(["jobs"], () => /** @type {Promise<Queue[]>} */ (get("queues")), {
    everyMs: 2_000,
  });
  const running = context.resource(["jobs"], () => /** @type {Promise<JobPage>} */ (get("jobs", RUNNING)));
  const loadIncidents = () => /** @type {Promise<IncidentPage>} */ (get("incidents", OPEN));
  const incidents = context.resource(["jobs", "workers"], loadIncidents, { pollMs: 5_000, everyMs: 2_000 });
  const statistics = context.resource(["jobs"], loadDurations, STATISTICS_TIMES);
  const lanes = new Lanes(context);
  /** @type {SteadyOrder<Row>} */
  const order = new SteadyOrder();
  const holders = order.holders(() => context.redraw());
  context.onSecond(() => {
    if (running.value?.items.length) context.redraw();
  });
  return {
    title: "Now",
    shortcuts: lanes.shortcuts,
    render: () => {
      if (!tasks.value) return waiting(tasks);
      if (tasks.value.length === 0) return emptyTasks();
      const rows = order.sort(
        rowsOf(tasks.value, schedules.value ?? [], statistics.value?.tasks ?? []),
        ({ task }) => task.name,
      );
      const others = untold(rows, incidents.value?.items ?? []);
      const jobs = running.value?.items ?? [];
      return h(
        "div",
        { class: "stack", ...holders },
        verdict(rows, others),
        attention(context, rows, others),
        h(
          "div",
          { class: "glance", key: "glance" },
          numbers(statistics.value?.day, queues.value, workers.value),
          runningJobs(jobs, rows),
        ),
        lanes.render(rows, jobs),
      );
    },
  };
}

/** Open incidents that are not acknowledged, but those of tasks that are shown as ill anyway.
 * @param {Row[]} rows @param {Incident[]} incidents */
function untold(rows, incidents) {
  const ill = new Set(rows.filter(({ health }) => health.rank < WELL).map(({ task }) => task.name));
  return incidents.filter(({ task, acknowledged_by }) => !acknowledged_by && !(task && ill.has(task)));
}

/** @param {Row[]} rows @param {Incident[]} others */
function verdict(rows, others) {
  const ill = rows.filter(({ health }) => health.rank < WELL);
  const names = {
    failing: "failing",
    late: "late",
    missed: "missed",
    "no-worker": "without a worker",
    broken: "unreadable",
  };
  const faults = [...Map.groupBy(ill, ({ health }) => health.kind)].map(
    ([kind, found]) => `${count(found.length)} ${names[/** @type {keyof typeof names} */ (kind)]}`,
  );
  if (others.length > 0) faults.push(`${plural(others.length, "incident")} open`);
  const well = rows.length - ill.length;
  const good = rows.length === 1 ? "The task is well" : `All ${plural(rows.length, "task")} are well`;
  return h(
    "h1",
    { class: faults.length ? "verdict is-failed" : "verdict is-succeeded", key: "verdict" },
    mark(faults.length ? "failed" : "succeeded"),
    h("span", null, faults.length ? faults.join(" · ") : good),
    h("span", { class: "faint" }, faults.length > 0 && `${count(well)} well · `, nextSlot(rows)),
  );
}

/** @param {Row[]} rows */
function nextSlot(rows) {
  const coming = rows
    .filter(({ task, health }) => task.next_slot && health.kind !== "paused" && health.kind !== "late")
    .map(({ task }) => task)
    .sort((a, b) => ((a.next_slot ?? "") < (b.next_slot ?? "") ? -1 : 1))[0];
  if (!coming) return "no slot to come";
  return ["next: ", h("a", { href: to(["tasks", coming.name]) }, coming.name), " ", until(coming.next_slot)];
}

/** @param {Context} context @param {Row[]} rows @param {Incident[]} others */
function attention(context, rows, others) {
  const ill = rows.filter(({ health }) => health.rank < WELL);
  if (ill.length === 0 && others.length === 0) return null;
  const rest = ill.length - MOST_ATTENTION;
  return h(
    "ul",
    { class: "attention", "aria-label": "Needs attention", key: "attention" },
    ill.slice(0, MOST_ATTENTION).map((row) => attentionRow(context, row)),
    rest > 0 && h("li", { key: "rest" }, h("a", { href: to(["tasks"]) }, `${rest} more`)),
    others.slice(0, MOST_INCIDENTS).map((each) => incidentRow(context, each)),
    others.length > MOST_INCIDENTS &&
      h(
        "li",
        { key: "incidents" },
        h("a", { href: to(["incidents"]) }, `all ${count(others.length)} incidents`),
      ),
  );
}

/** @param {Context} context @param {Incident} incident */
function incidentRow(context, incident) {
  const { id, error, opened_at } = incident;
  const cause = error?.split("\n")[0] ?? "";
  return h(
    "li",
    { key: id },
    incidentBadge(incident),
    h("span", { class: "name" }, incidentSubject(incident)),
    h("span", { class: "cause", title: cause }, cause && `${cause} · `, ago(opened_at)),
    h(
      "span",
      { class: "actions" },
      takeOn(context, incident) ?? h("a", { class: "button", href: to(["incidents"]) }, "Open"),
    ),
  );
}

/** @param {Context} context @param {Row} row */
function attentionRow(context, row) {
  const { task, health } = row;
  const since = health.kind === "failing" && task.last_failure;
  return h(
    "li",
    { key: task.name },
    badge(health.kind, health.word),
    h("a", { class: "name", href: to(["tasks", task.name]) }, task.name),
    h(
      "span",
      { class: "cause", title: health.cause },
      health.kind === "no-worker" ? noWorker(task) : health.cause,
      since && [" · ", ago(since.date)],
    ),
    h("span", { class: "actions" }, attentionActions(context, row)),
  );
}

/** @param {import("../lib/types.js").DayStatistics | null | undefined} day @param {Queue[] | undefined} queues @param {Worker[] | undefined} workers */
function numbers(day, queues = [], workers = []) {
  const oldest = queues.flatMap(({ oldest }) => oldest ?? []).sort()[0];
  const queued = queues.reduce((sum, queue) => sum + queue.queued, 0);
  const busy = workers.reduce((sum, worker) => sum + worker.busy, 0);
  const capacity = workers.reduce((sum, worker) => sum + worker.capacity, 0);
  const rate = day?.success ?? null;
  const lag = day?.lag_p95_ms ?? null;
  return figures([
    ["success, 24 h", rate === null ? "–" : percent(rate), day ? plural(day.failed, "failure") : ""],
    ["lag from slot to start, p95", lag === null ? "–" : duration(lag / 1000), "24 h"],
    [
      "oldest queued job",
      oldest && queued > 0 ? relative(oldest).replace(" ago", "") : "none",
      waitText(queued),
    ],
    ["workers", count(workers.length), `${busy} of ${capacity} busy`],
  ]);
}

/** @param {number} queued */
function waitText(queued) {
  return queued === 0 ? "no job waits" : queued === 1 ? "1 job waits" : `${count(queued)} jobs wait`;
}

/** As high with no job as with many: what is below stands still. @param {Job[]} jobs @param {Row[]} rows */
function runningJobs(jobs, rows) {
  const known = new Map(rows.map(({ task, statistics }) => [task.name, statistics.p50_ms]));
  const shown = [...jobs]
    .sort((a, b) => ((a.started ?? "") < (b.started ?? "") ? -1 : 1))
    .slice(0, MOST_RUNNING);
  const list = h("a", { href: to(["jobs"], { q: "state:running" }) }, `all ${count(jobs.length)}`);
  const items = shown.map((job) => runningRow(job, known.get(job.task) ?? null));
  return h(
    "section",
    { class: "running-now", "aria-label": "Running", key: "running" },
    h("div", { class: "bar" }, h("h2", null, "Running"), jobs.length > shown.length && list),
    items.length > 0
      ? h("ul", { class: "running" }, items)
      : h("p", { class: "faint" }, "No job runs at the moment."),
  );
}

/** @param {Job} job @param {number | null} typical in ms */
function runningRow(job, typical) {
  const share = job.progress ?? shareOf(job, typical);
  return h(
    "li",
    { key: job.id },
    h("a", { class: "name", href: to(["jobs", job.id]) }, job.task),
    h("progress", { max: 1, "aria-label": `Progress of ${job.task}`, value: share ?? undefined }),
    h("span", { class: "cause" }, job.progress !== null && `${percent(job.progress)} `, job.step),
    h("span", { class: "faint" }, ranFor(job), timeLeft(job, typical)),
  );
}

/** @param {Job} job */
function ranFor(job) {
  return (
    job.started &&
    `runs for ${duration(Math.round(Math.max(0, clock.now() - Date.parse(job.started)) / 1000))}`
  );
}

/** Where no progress is reported: how much of the usual time is over. @param {Job} job
 * @param {number | null} typical in ms */
function shareOf(job, typical) {
  if (!typical || !job.started) return null;
  return Math.min(0.97, (clock.now() - Date.parse(job.started)) / typical);
}

/** By the job's own progress, else from the usual time. @param {Job} job @param {number | null} typical in ms */
function timeLeft(job, typical) {
  if (!job.started) return "";
  const ran = clock.now() - Date.parse(job.started);
  const whole = job.progress && job.progress > 0.05 ? ran / job.progress : typical;
  if (whole === null) return "";
  const left = (whole - ran) / 1000;
  return left > 0 ? ` · about ${duration(left)} left` : " · longer than usual";
}
