/** Now: the verdict, what needs attention, four numbers, what runs, and the lanes of all tasks. */

import { get } from "../lib/api.js";
import { clock } from "../lib/clock.js";
import { h } from "../lib/dom.js";
import { duration, percent, plural, relative } from "../lib/format.js";
import { byTask, healthOf, WELL } from "../lib/health.js";
import { go, to } from "../lib/router.js";
import { taskActions } from "../components/actions.js";
import { emptyTasks, noWorker } from "../components/empty.js";
import { axis, laneView, summarize } from "../components/lanes.js";
import { badge, mark } from "../components/state.js";
import { ago, at } from "../components/time.js";

/** @typedef {import("../shell.js").Context} Context */
/** @typedef {import("../lib/types.js").Task} Task */
/** @typedef {import("../lib/types.js").Schedule} Schedule */
/** @typedef {import("../lib/types.js").Timeline} Timeline */
/** @typedef {{ task: Task, schedules: Schedule[], health: import("../lib/health.js").Health }} Row */

const HOUR_MS = 3_600_000;
/** Hours to each side of now, and the width of a bucket in seconds. */
const ZOOMS = /** @type {const} */ ({
  "1 h": [1, 15],
  "6 h": [6, 60],
  "24 h": [24, 300],
  "7 d": [168, 1800],
});
const MOST_ATTENTION = 8;

/** @param {Context} context @returns {import("../shell.js").View} */
export function nowView(context) {
  /** @type {keyof typeof ZOOMS} */
  let zoom = "24 h";
  let asTable = false;
  const tasks = context.resource(
    ["tasks", "jobs", "schedules", "workers"],
    () => /** @type {Promise<Task[]>} */ (get("tasks")),
  );
  const schedules = context.resource(
    ["schedules"],
    () => /** @type {Promise<Schedule[]>} */ (get("schedules", { limit: 500 })),
  );
  const workers = context.resource(["workers"], () => get("workers"));
  const queues = context.resource(["jobs"], () => get("queues"), { everyMs: 2_000 });
  const running = context.resource(["jobs"], () => get("jobs", { state: "running", limit: 20 }));
  const timeline = context.resource(["jobs", "schedules"], () => loadTimeline(zoom), { everyMs: 5_000 });

  /** @param {keyof typeof ZOOMS} wanted */
  const zoomTo = (wanted) => {
    zoom = wanted;
    timeline.refresh();
    context.redraw();
  };
  const zoomBy = (/** @type {number} */ step) => {
    const names = /** @type {(keyof typeof ZOOMS)[]} */ (Object.keys(ZOOMS));
    const next = names[names.indexOf(zoom) + step];
    if (next) zoomTo(next);
  };

  return {
    title: "Now",
    shortcuts: [
      { keys: "+", what: "Zoom the lanes in", run: () => zoomBy(-1) },
      { keys: "-", what: "Zoom the lanes out", run: () => zoomBy(1) },
      { keys: "v", what: "Lanes as a table", run: () => ((asTable = !asTable), context.redraw()) },
    ],
    render: () => {
      if (!tasks.value) return h("p", { class: "faint" }, "Loading …");
      if (tasks.value.length === 0) return emptyTasks();
      const rows = rowsOf(tasks.value, schedules.value ?? []);
      return [
        verdict(rows, schedules.value ?? []),
        attention(context, rows),
        numbers(timeline.value, queues.value, workers.value),
        runningJobs(running.value?.items ?? [], tasks.value),
        h(
          "section",
          { "aria-label": "Lanes" },
          h(
            "div",
            { class: "bar" },
            h("h2", null, "Lanes"),
            h(
              "div",
              { class: "choice", role: "group", "aria-label": "Zoom" },
              Object.keys(ZOOMS).map((name) =>
                h(
                  "button",
                  {
                    type: "button",
                    "aria-pressed": String(name === zoom),
                    onclick: () => zoomTo(/** @type {keyof typeof ZOOMS} */ (name)),
                  },
                  `± ${name}`,
                ),
              ),
            ),
            h(
              "button",
              { type: "button", class: "quiet", onclick: () => ((asTable = !asTable), context.redraw()) },
              asTable ? "As lanes" : "As a table",
            ),
          ),
          timeline.value && (asTable ? laneTable(timeline.value) : lanes(timeline.value, rows)),
        ),
      ];
    },
  };
}

/** @param {keyof typeof ZOOMS} zoom @returns {Promise<Timeline>} */
function loadTimeline(zoom) {
  const [hours, bucket] = ZOOMS[zoom];
  const now = clock.now();
  const since = new Date(now - hours * HOUR_MS).toISOString();
  const until = new Date(now + hours * HOUR_MS).toISOString();
  return get("timeline", { since, until, bucket });
}

/** The most urgent first. @param {Task[]} tasks @param {Schedule[]} schedules @returns {Row[]} */
export function rowsOf(tasks, schedules) {
  const found = byTask(schedules);
  return tasks
    .map((task) => {
      const own = found.get(task.name) ?? [];
      return { task, schedules: own, health: healthOf(task, own) };
    })
    .sort((a, b) => a.health.rank - b.health.rank || (a.task.name < b.task.name ? -1 : 1));
}

/** @param {Row[]} rows @param {Schedule[]} schedules */
function verdict(rows, schedules) {
  /** @type {Map<string, number>} */
  const ill = new Map();
  for (const { health } of rows)
    if (health.rank < WELL) ill.set(health.kind, (ill.get(health.kind) ?? 0) + 1);
  const words = { failing: "failing", missed: "late", "no-worker": "without a worker", broken: "unreadable" };
  const faults = [...ill].map(
    ([kind, count]) => `${count} ${words[/** @type {keyof typeof words} */ (kind)]}`,
  );
  const next = schedules.filter((each) => each.next_slot && !each.paused)[0];
  const coming = next?.next_slot
    ? ["next: ", h("b", null, next.task), " ", ago(next.next_slot)]
    : "no slot to come";
  const text = faults.length ? faults.join(" · ") : `All ${plural(rows.length, "task")} are well`;
  return h(
    "h1",
    { class: faults.length ? "verdict is-failed" : "verdict is-succeeded" },
    mark(faults.length ? "failed" : "succeeded"),
    h("span", null, text),
    h("span", { class: "faint" }, coming),
  );
}

/** @param {Context} context @param {Row[]} rows */
function attention(context, rows) {
  const ill = rows.filter(({ health }) => health.rank < WELL);
  if (ill.length === 0) return null;
  return h(
    "ul",
    { class: "attention", "aria-label": "Needs attention" },
    ill
      .slice(0, MOST_ATTENTION)
      .map(({ task, schedules, health }) =>
        h(
          "li",
          { key: task.name },
          badge(health.kind, health.word),
          h("a", { class: "name", href: to(["tasks", task.name]) }, task.name),
          h("span", { class: "cause" }, health.kind === "no-worker" ? noWorker(task) : health.cause),
          h(
            "span",
            { class: "actions" },
            openError(task, health.kind),
            taskActions(context, task, schedules),
          ),
        ),
      ),
    ill.length > MOST_ATTENTION &&
      h("li", null, h("a", { href: to(["tasks"]) }, `${ill.length - MOST_ATTENTION} more`)),
  );
}

/** @param {Task} task @param {string} kind */
function openError(task, kind) {
  const last = task.last_failure;
  return kind === "failing" && last && h("a", { class: "button", href: to(["jobs", last.id]) }, "Open error");
}

/** @param {Timeline | undefined} timeline @param {any[] | undefined} queues @param {any[] | undefined} workers */
function numbers(timeline, queues, workers) {
  const oldest = (queues ?? [])
    .map((queue) => queue.oldest)
    .filter(Boolean)
    .sort()[0];
  const rate = successRate(timeline);
  const busy = (workers ?? []).reduce((sum, worker) => sum + worker.busy, 0);
  const capacity = (workers ?? []).reduce((sum, worker) => sum + worker.capacity, 0);
  return h(
    "dl",
    { class: "numbers" },
    number("success", rate === null ? "–" : percent(rate)),
    number("oldest queued job", oldest ? relative(oldest).replace(" ago", "") : "none"),
    number("jobs waiting", String((queues ?? []).reduce((sum, queue) => sum + queue.queued, 0))),
    number("workers", workers ? `${workers.length} · ${busy}/${capacity} busy` : "–"),
  );
}

/** @param {string} name @param {string} value */
function number(name, value) {
  return h("div", null, h("dt", null, name), h("dd", null, value));
}

/** @param {Timeline | undefined} timeline */
function successRate(timeline) {
  let good = 0;
  let bad = 0;
  for (const lane of timeline?.lanes ?? []) {
    for (const { state, count } of lane.past) {
      if (state === "succeeded") good += count;
      else if (state === "failed" || state === "missed") bad += count;
    }
  }
  return good + bad === 0 ? null : good / (good + bad);
}

/** @param {import("../lib/types.js").Job[]} jobs @param {Task[]} tasks */
function runningJobs(jobs, tasks) {
  if (jobs.length === 0) return null;
  const known = new Map(tasks.map((task) => [task.name, task]));
  return h(
    "section",
    { "aria-label": "Running" },
    h("h2", null, "Running"),
    h(
      "ul",
      { class: "running" },
      jobs.map((job) =>
        h(
          "li",
          { key: job.id },
          h("a", { class: "name", href: to(["jobs", job.id]) }, job.task),
          h("progress", {
            max: 1,
            "aria-label": `Progress of ${job.task}`,
            value: job.progress ?? undefined,
          }),
          h("span", null, job.progress === null ? "" : percent(job.progress), job.step ? ` ${job.step}` : ""),
          h(
            "span",
            { class: "faint" },
            "since ",
            ago(job.started),
            timeLeft(job, known.get(job.task)),
            job.worker && ` · ${job.worker}`,
          ),
        ),
      ),
    ),
  );
}

/** From the median of the last runs. @param {import("../lib/types.js").Job} job @param {Task | undefined} task */
function timeLeft(job, task) {
  const past = (task?.recent ?? []).filter((run) => run.state === "succeeded").map((run) => run.duration_ms);
  const median = past.sort((a, b) => a - b)[Math.floor(past.length / 2)];
  if (median === undefined || !job.started) return "";
  const left = (median - (clock.now() - Date.parse(job.started))) / 1000;
  return left > 0 ? ` · about ${duration(left)} left` : ` · longer than usual`;
}

/** @param {Timeline} timeline @param {Row[]} rows */
function lanes(timeline, rows) {
  const from = Date.parse(timeline.since);
  const to_ = Date.parse(timeline.until);
  const found = new Map(timeline.lanes.map((lane) => [lane.task, lane]));
  return h(
    "div",
    { class: "lanes", onopenjob: (/** @type {CustomEvent} */ event) => go(to(["jobs", event.detail])) },
    h(
      "div",
      { class: "lane head" },
      h("span", null, timeline.missing.length ? `without ${timeline.missing.join(", ")}` : ""),
      axis(from, to_),
    ),
    rows.map(({ task, schedules, health }) => {
      const lane = found.get(task.name) ?? { task: task.name, past: [], absent: [], future: [] };
      const paused = schedules.some((each) => each.paused);
      const data = { from, to: to_, bucketMs: timeline.bucket * 1000, lane, stripes: paused };
      const memo = `${timeline.now} ${health.kind} ${paused}`;
      return h(
        "div",
        { class: "lane", key: task.name, memo },
        h(
          "a",
          { class: "name", href: to(["tasks", task.name]), title: health.cause },
          mark(health.kind),
          h("span", { class: `is-${health.kind}` }, task.name),
        ),
        laneView(data, task.name),
      );
    }),
  );
}

/** @param {Timeline} timeline */
function laneTable(timeline) {
  return h(
    "table",
    null,
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        ["Task", "In this span", "Next slots"].map((name) => h("th", { scope: "col" }, name)),
      ),
    ),
    h(
      "tbody",
      null,
      timeline.lanes.map((lane) =>
        h(
          "tr",
          { key: lane.task },
          h("td", null, h("a", { href: to(["tasks", lane.task]) }, lane.task)),
          h("td", null, summarize(lane)),
          h(
            "td",
            null,
            lane.future.slice(0, 3).map((slot) => [at(slot.start), " "]),
          ),
        ),
      ),
    ),
  );
}
