/** One task: its state, its lane, schedules with their next slots, durations, its last jobs. */

import { get, getSchedules, part } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { setScheduleZone } from "../lib/prefs.js";
import { term } from "../lib/query.js";
import { rowsOf, typical } from "../lib/rows.js";
import { to } from "../lib/router.js";
import { STATISTICS_TIMES, loadTaskStatistics } from "../lib/statistics.js";
import { runTask, taskActions } from "../components/actions.js";
import { changeOf } from "../components/change.js";
import { durations } from "../components/durations.js";
import { noWorker } from "../components/empty.js";
import { jobTable } from "../components/job_table.js";
import { Lanes } from "../components/lanes.js";
import { backfillOne, pause, resume } from "../components/schedule_actions.js";
import { scheduleView } from "../components/schedule.js";
import { facts, figures, section, waiting } from "../components/section.js";
import { badge } from "../components/state.js";
import { NONE, cell, row, table } from "../components/table.js";
import { ago, until } from "../components/time.js";

/** @typedef {import("../context.js").Context} Context */
/** @typedef {import("../lib/rows.js").Row} Row */
/** @typedef {import("../lib/types.js").AuditEntry} AuditEntry */
/** @typedef {import("../lib/types.js").Job} Job */
/** @typedef {import("../lib/types.js").JobPage} JobPage */
/** @typedef {import("../lib/types.js").Task} Task */
/** @typedef {import("../lib/types.js").Schedule} Schedule */

const CHARTED = 100;
const LISTED = 15;
const CHANGES = 5;

/** @param {Context} context @param {string} name @returns {import("../shell.js").View} */
export function taskView(context, name) {
  const topic = `task:${name}`;
  const task = context.resource(
    [topic, "workers"],
    () => /** @type {Promise<Task>} */ (get(`tasks/${part(name)}`)),
  );
  const schedules = context.resource([topic, "schedules"], () => getSchedules(name));
  const jobs = context.resource(
    [topic],
    () => /** @type {Promise<JobPage>} */ (get("jobs", { task: name, limit: CHARTED })),
    { everyMs: 2_000 },
  );
  const statistics = context.resource([topic], () => loadTaskStatistics(name), STATISTICS_TIMES);
  const changes = context.resource([topic, "audit"], () => lastChanges(name), {
    everyMs: 5_000,
    pollMs: 5_000,
  });
  const own = () => schedules.value ?? [];
  const lanes = new Lanes(context, { task: name, onSpan: context.may("tasks") ? drag : undefined });
  return {
    title: name,
    shortcuts: [...lanes.shortcuts, ...keysOf(context, () => task.value, own)],
    render: () => {
      const known = task.value && rowsOf([task.value], own(), statistics.value?.tasks ?? [])[0];
      if (!known) return waiting(task);
      setScheduleZone(own()[0]?.timezone);
      const found = jobs.value?.items ?? [];
      return [
        head(context, known),
        lanes.render(
          [known],
          found.filter((job) => job.state === "running"),
        ),
        context.may("tasks") &&
          own().length > 0 &&
          h(
            "p",
            { class: "faint tip", key: "tip" },
            "Drag over the past of the lane to backfill slots that had no job.",
          ),
        own().map((schedule) => scheduleView(context, schedule)),
        chart(found),
        lastJobs(found, name),
        changesOf(changes.value ?? [], name),
        task.value && options(task.value),
      ];
    },
  };

  /** @param {{ from: number, to: number }} span */
  function drag(span) {
    void backfillOne(context, own(), span);
  }
}

/** @param {Context} context @param {() => Task | undefined} task @param {() => Schedule[]} schedules
 * @returns {import("../lib/keyboard.js").Shortcut[]} */
function keysOf(context, task, schedules) {
  const run = () => {
    const found = task();
    if (found && !found.external && context.may("jobs")) void runTask(context, found);
  };
  const pauseOrResume = () => {
    const first = schedules()[0];
    if (!first || !context.may("tasks")) return;
    void (first.paused ? resume(context, first) : pause(context, first));
  };
  return [
    { keys: "r", what: "Run this task", run },
    { keys: "p", what: "Pause or resume it", run: pauseOrResume },
  ];
}

/** @param {Context} context @param {Row} row */
function head(context, { task, schedules, health, statistics }) {
  return [
    h(
      "div",
      { class: "bar head", key: "head" },
      h("h1", null, task.name),
      badge(health.kind, health.word),
      h("span", { class: "actions" }, taskActions(context, task, schedules)),
    ),
    task.external &&
      h("p", { class: "faint", key: "elsewhere" }, "Runs elsewhere, and reports its runs by pings."),
    task.doc && h("p", { class: "faint", key: "doc" }, task.doc),
    health.cause &&
      h(
        "p",
        { class: health.kind === "failing" ? "why is-bad" : "why", key: "why" },
        health.kind === "no-worker" ? noWorker(task) : health.cause,
      ),
    h("div", { key: "figures" }, figuresOf(task, statistics)),
  ];
}

/** @param {import("../lib/types.js").TaskLine} task
 * @param {import("../lib/types.js").TaskStatistics} statistics */
function figuresOf(task, statistics) {
  const streak =
    task.streak === 0 ? "–" : `${Math.abs(task.streak)} ${task.streak > 0 ? "succeeded" : "failed"}`;
  return figures([
    ["next", until(task.next_slot)],
    ["last success", jobLink(task.last_success)],
    ["last failure", jobLink(task.last_failure)],
    ["in a row", streak],
    ["p50 / p95", typical(statistics)],
    ["queued / running", `${task.queued} / ${task.running}`],
  ]);
}

/** @param {import("../lib/types.js").LastJob | null} last */
function jobLink(last) {
  return last ? h("a", { href: to(["jobs", last.id]) }, ago(last.date)) : "–";
}

/** @param {Job[]} jobs */
function chart(jobs) {
  const drawn = durations(jobs);
  return drawn && section("Durations", drawn);
}

/** @param {Job[]} jobs @param {string} name */
function lastJobs(jobs, name) {
  const all = h("a", { href: to(["jobs"], { q: term("task", name) }) }, "all");
  const body =
    jobs.length === 0
      ? h("p", { class: "faint" }, "No job yet.")
      : jobTable(jobs.slice(0, LISTED), {}, { task: false });
  return section("Last jobs", body, all);
}

/** None where no Postgres keeps an audit, or while it is away. @param {string} name @returns {Promise<AuditEntry[]>} */
async function lastChanges(name) {
  const page = await get("audit", { target: name, limit: CHANGES }).catch(() => null);
  return page?.items ?? [];
}

/** @param {AuditEntry[]} entries @param {string} name */
function changesOf(entries, name) {
  if (entries.length === 0) return null;
  const rows = entries.map((entry) =>
    row(String(entry.id), [
      cell("When", ago(entry.at), "time"),
      cell("Actor", entry.actor),
      cell("Action", entry.action.replaceAll("_", " ")),
      cell("Change", changeOf(entry)),
      cell("Reason", entry.reason || NONE),
    ]),
  );
  const all = h("a", { href: to(["audit"], { target: name }) }, "audit");
  return section("Changes", table(["When", "Actor", "Action", "Change", "Reason"], rows), all);
}

/** @param {Task} task */
function options(task) {
  const given = Object.entries(task.options).filter(([name, value]) => value !== null && name !== "doc");
  const shown = given.map(
    ([name, value]) =>
      /** @type {[string, import("../lib/dom.js").Parts]} */ ([
        name.replaceAll("_", " "),
        h("code", null, JSON.stringify(value)),
      ]),
  );
  return h("div", { class: "options", key: "options" }, section("Options", facts(shown)));
}
