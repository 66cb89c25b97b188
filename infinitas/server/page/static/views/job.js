/** One job: its state and why, its attempts along time, error, log, arguments and result. */

import { get, part } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { clockTime, duration, percent } from "../lib/format.js";
import { formatJson } from "../lib/json.js";
import { to } from "../lib/router.js";
import { term } from "../lib/query.js";
import { jobActions } from "../components/actions.js";
import { logView } from "../components/log.js";
import { badge, jobBadge } from "../components/state.js";
import { ago, at } from "../components/time.js";

/** @typedef {import("../lib/types.js").Job} Job */
/** @typedef {import("../lib/types.js").Attempt} Attempt */
/** @typedef {import("../lib/types.js").Task} Task */

/** @param {import("../shell.js").Context} context @param {string} id @returns {import("../shell.js").View} */
export function jobView(context, id) {
  const job = context.resource([`job:${id}`], () => /** @type {Promise<Job>} */ (get(`jobs/${part(id)}`)));
  const attempts = context.resource(
    [`job:${id}`],
    () => /** @type {Promise<Attempt[]>} */ (get(`jobs/${part(id)}/attempts`)),
    { everyMs: 2_000 },
  );
  const log = logView(context);
  return {
    title: `Job ${id}`,
    shortcuts: log.shortcuts,
    render: () => {
      const found = job.value;
      if (!found) return h("p", { class: "faint" }, job.error ? job.error.message : "Loading …");
      return [
        head(context, found),
        found.unreadable && h("p", { class: "fault" }, found.unreadable),
        waiting(found),
        found.error && section("Error", h("pre", { class: "fault" }, found.traceback ?? found.error)),
        attemptBars(found, attempts.value ?? []),
        section("Log", log.render(found)),
        h(
          "div",
          { class: "pair" },
          json("Arguments", found.args),
          json(found.checkpoint === null ? "Result" : "Checkpoint", found.result ?? found.checkpoint),
        ),
        details(found),
      ];
    },
  };
}

/** @param {import("../shell.js").Context} context @param {Job} job */
function head(context, job) {
  const progress = job.state === "running" && [
    h("progress", { max: 1, value: job.progress ?? undefined, "aria-label": "Progress" }),
    job.progress !== null && ` ${percent(job.progress)}`,
    job.step && ` ${job.step}`,
  ];
  return h(
    "div",
    { class: "bar" },
    h("h1", null, h("a", { href: to(["tasks", job.task]) }, job.task)),
    jobBadge(job),
    job.duration !== null && h("span", null, `took ${duration(job.duration)}`),
    progress,
    h("span", { class: "actions" }, jobActions(context, job)),
  );
}

/** @type {Record<string, string>} */
const WHY = {
  scheduled: "It waits for its time.",
  queued: "It is ready, and waits for a worker.",
  retrying: "It waits for its next attempt.",
};

/** @param {Job} job */
function waiting(job) {
  const why = WHY[job.state];
  if (!why) return null;
  const moment = job.ready ?? (job.state === "scheduled" ? job.due : null);
  return h(
    "p",
    { class: "why" },
    why,
    " ",
    moment ? ["Ready ", ago(moment), "."] : ["Since ", ago(job.due), "."],
  );
}

/** @param {string} title @param {import("../lib/dom.js").Parts} body */
function section(title, body) {
  return h("section", { key: title, "aria-label": title }, h("h2", null, title), body);
}

/** @param {string} title @param {unknown} value */
function json(title, value) {
  return section(title, h("pre", null, formatJson(value)));
}

/** From due to end: waiting, running, lost. @param {Job} job @param {Attempt[]} attempts */
function attemptBars(job, attempts) {
  if (attempts.length === 0) return null;
  return section(
    "Attempts",
    h(
      "table",
      null,
      h(
        "tbody",
        null,
        attempts.map((attempt, n) => attemptRow(job, attempt, attempts[n - 1])),
      ),
    ),
  );
}

/** @param {Job} job @param {Attempt} attempt @param {Attempt | undefined} before */
function attemptRow(job, attempt, before) {
  const waited = attempt.started
    ? (Date.parse(attempt.started) - Date.parse(before?.ended ?? job.due)) / 1000
    : 0;
  const took =
    attempt.started && attempt.ended
      ? (Date.parse(attempt.ended) - Date.parse(attempt.started)) / 1000
      : null;
  return h(
    "tr",
    { key: String(attempt.attempt) },
    h("td", null, `#${attempt.attempt}`),
    h("td", null, badge(attempt.outcome)),
    h("td", null, at(attempt.started)),
    h("td", { class: "faint" }, `waited ${duration(Math.max(0, waited))}`),
    h("td", null, took === null ? "runs" : `ran ${duration(took)}`),
    h("td", { class: "faint" }, attempt.worker ?? ""),
    h("td", { class: "fault" }, attempt.error?.split("\n")[0] ?? ""),
  );
}

/** @param {Job} job */
function details(job) {
  const rows = /** @type {[string, import("../lib/dom.js").Parts][]} */ ([
    ["Id", h("code", null, job.id)],
    ["Due", `${clockTime(job.due)}`],
    ["Created", at(job.created)],
    ["Started", at(job.started)],
    ["Ended", at(job.ended)],
    ["Attempt", String(job.attempt)],
    ["Crashed workers", job.crashes ? String(job.crashes) : null],
    ["Worker", job.worker && h("a", { href: to(["jobs"], { q: term("worker", job.worker) }) }, job.worker)],
    [
      "Schedule",
      job.schedule && h("a", { href: to(["jobs"], { q: term("schedule", job.schedule) }) }, job.schedule),
    ],
    ["Key", job.key],
    ["Queue", job.queue],
    ...Object.entries(job.headers).map(([name, value]) => /** @type {[string, string]} */ ([name, value])),
  ]);
  return section(
    "Details",
    h(
      "dl",
      { class: "details" },
      rows.filter(([, value]) => value).map(([name, value]) => [h("dt", null, name), h("dd", null, value)]),
    ),
  );
}
