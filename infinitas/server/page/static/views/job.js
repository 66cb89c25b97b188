/** One job: its state and why, its error, its attempts along time, log, arguments and result. */

import { get, part } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { duration, percent } from "../lib/format.js";
import { JobLog } from "../lib/job_log.js";
import { formatJson } from "../lib/json.js";
import { term } from "../lib/query.js";
import { to } from "../lib/router.js";
import { jobActions } from "../components/actions.js";
import { attemptBars } from "../components/attempts.js";
import { LogView } from "../components/log.js";
import { facts, section, waiting } from "../components/section.js";
import { jobBadge } from "../components/state.js";
import { ago, at } from "../components/time.js";
import { whyWaiting } from "../components/why.js";

/** @typedef {import("../lib/types.js").Job} Job */
/** @typedef {import("../lib/types.js").Attempt} Attempt */
/** @typedef {import("../lib/types.js").Waiting} Waiting */

const LIVE_EVERY_S = 2;

/** @param {import("../context.js").Context} context @param {string} id @returns {import("../shell.js").View} */
export function jobView(context, id) {
  const address = `jobs/${part(id)}`;
  const job = context.resource(
    [`job:${id}`],
    () => /** @type {Promise<Job>} */ (get(address, { log: false })),
  );
  const attempts = context.resource(
    [`job:${id}`],
    () => /** @type {Promise<Attempt[]>} */ (get(`${address}/attempts`)),
    { everyMs: 2_000 },
  );
  const why = context.resource([`job:${id}`, "workers"], loadWhy, { everyMs: 2_000, pollMs: 5_000 });
  const view = new LogView(context);
  const log = new JobLog(`${address}/logs`);
  const lines = context.resource([`job:${id}`], () => log.load());
  let seconds = 0;
  context.onSecond(() => {
    if (!job.value || job.value.ended) return;
    // Lines and progress are no events of the feed.
    if (++seconds % LIVE_EVERY_S === 0) {
      job.refresh();
      lines.refresh();
    }
    context.redraw();
  });
  return {
    title: `Job ${id}`,
    shortcuts: view.shortcuts,
    render: () =>
      job.value
        ? parts(context, { ...job.value, log: lines.value ?? [] }, attempts.value ?? [], why.value, view)
        : waiting(job),
  };

  /** @returns {Promise<Waiting | null>} */
  async function loadWhy() {
    return job.value?.ended ? null : get(`${address}/waiting`);
  }
}

/** @param {import("../context.js").Context} context @param {Job} job @param {Attempt[]} attempts
 * @param {Waiting | null | undefined} why @param {LogView} view */
function parts(context, job, attempts, why, view) {
  const bars = attemptBars(job, attempts);
  return [
    head(context, job),
    job.unreadable && h("p", { class: "fault", key: "unreadable" }, job.unreadable),
    whyWaiting(job, why),
    job.error && section("Error", h("pre", { class: "error", tabindex: "0" }, job.traceback ?? job.error)),
    bars && section("Attempts", bars),
    section("Log", view.render(job)),
    h("div", { class: "pair", key: "pair" }, json("Arguments", job.args), outcome(job)),
    details(job),
  ];
}

/** @param {import("../context.js").Context} context @param {Job} job */
function head(context, job) {
  const progress = job.state === "running" && [
    h("progress", { max: 1, value: job.progress ?? undefined, "aria-label": "Progress" }),
    h("span", null, job.progress !== null && percent(job.progress), job.step && ` ${job.step}`),
  ];
  return h(
    "div",
    { class: "bar head", key: "head" },
    h("h1", null, h("a", { href: to(["tasks", job.task]) }, job.task)),
    jobBadge(job),
    job.duration !== null && h("span", null, `took ${duration(job.duration)}`),
    job.ended && h("span", { class: "faint" }, ago(job.ended)),
    progress,
    h("span", { class: "actions" }, jobActions(context, job)),
  );
}

/** @param {Job} job */
function outcome(job) {
  if (job.result === null && job.checkpoint !== null) return json("Checkpoint", job.checkpoint);
  return job.state === "succeeded" ? json("Result", job.result) : null;
}

/** @param {string} title @param {unknown} value */
function json(title, value) {
  return section(title, h("pre", { tabindex: "0" }, formatJson(value)));
}

/** @param {Job} job */
function details(job) {
  return section(
    "Details",
    facts([
      ["Id", h("code", null, job.id)],
      ["Due", at(job.due)],
      ["Created", job.created && at(job.created)],
      ["Started", job.started && at(job.started)],
      ["Ended", job.ended && at(job.ended)],
      ["Attempt", String(job.attempt)],
      ["Crashed workers", job.crashes > 0 && String(job.crashes)],
      ["Worker", job.worker && h("a", { href: to(["jobs"], { q: term("worker", job.worker) }) }, job.worker)],
      [
        "Schedule",
        job.schedule && h("a", { href: to(["jobs"], { q: term("schedule", job.schedule) }) }, job.schedule),
      ],
      ["Key", job.key && h("a", { href: to(["jobs"], { q: term("key", job.key) }) }, job.key)],
      ["Queue", job.queue],
      ...Object.entries(job.headers),
    ]),
  );
}
