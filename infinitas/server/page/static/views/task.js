/** One task: its state, its lane, schedules with their next slots, and its last jobs. */

import { ApiError, get, part, send } from "../lib/api.js";
import { clock } from "../lib/clock.js";
import { h } from "../lib/dom.js";
import { clockTime, duration, fullTime } from "../lib/format.js";
import { healthOf } from "../lib/health.js";
import { go, to } from "../lib/router.js";
import { term } from "../lib/query.js";
import { button, pause, resume, skipNext, taskActions } from "../components/actions.js";
import { noWorker } from "../components/empty.js";
import { axis, laneView } from "../components/lanes.js";
import { badge, jobBadge } from "../components/state.js";
import { strip } from "../components/strip.js";
import { ago, at } from "../components/time.js";
import { editSchedule } from "../components/schedule_editor.js";

/** @typedef {import("../shell.js").Context} Context */
/** @typedef {import("../lib/types.js").Task} Task */
/** @typedef {import("../lib/types.js").Schedule} Schedule */
/** @typedef {import("../lib/types.js").JobPage} JobPage */

const DAY_MS = 86_400_000;

/** @param {Context} context @param {string} name @returns {import("../shell.js").View} */
export function taskView(context, name) {
  const topic = `task:${name}`;
  const task = context.resource(
    [topic, "workers"],
    () => /** @type {Promise<Task>} */ (get(`tasks/${part(name)}`)),
  );
  const schedules = context.resource(
    [topic, "schedules"],
    () => /** @type {Promise<Schedule[]>} */ (get("schedules", { task: name })),
  );
  const jobs = context.resource(
    [topic],
    () => /** @type {Promise<JobPage>} */ (get("jobs", { task: name, limit: 20 })),
  );
  const timeline = context.resource([topic], () => loadTimeline(name), { everyMs: 5_000 });
  return {
    title: name,
    render: () => {
      if (!task.value)
        return h("p", { class: "faint" }, task.error instanceof ApiError ? task.error.message : "Loading …");
      const own = schedules.value ?? [];
      return [
        head(context, task.value, own),
        timeline.value && lane(timeline.value, name, own),
        own.map((schedule) => scheduleView(context, schedule)),
        lastJobs(jobs.value, name),
        options(task.value),
      ];
    },
  };
}

/** @param {string} task @returns {Promise<import("../lib/types.js").Timeline>} */
function loadTimeline(task) {
  const now = clock.now();
  return get("timeline", {
    task,
    since: new Date(now - DAY_MS).toISOString(),
    until: new Date(now + DAY_MS).toISOString(),
    bucket: 300,
  });
}

/** @param {Context} context @param {Task} task @param {Schedule[]} schedules */
function head(context, task, schedules) {
  const health = healthOf(task, schedules);
  return [
    h(
      "div",
      { class: "bar" },
      h("h1", null, task.name),
      badge(health.kind, health.word),
      strip(task.recent, 10),
      h("span", { class: "actions" }, taskActions(context, task, schedules)),
    ),
    task.doc && h("p", { class: "faint" }, task.doc),
    health.cause && h("p", { class: "why" }, health.kind === "no-worker" ? noWorker(task) : health.cause),
    h(
      "dl",
      { class: "numbers" },
      fact("next", ago(task.next_slot)),
      fact("last success", link(task.last_success)),
      fact("last failure", link(task.last_failure)),
      fact(
        "streak",
        task.streak === 0 ? "–" : `${Math.abs(task.streak)} ${task.streak > 0 ? "succeeded" : "failed"}`,
      ),
      fact("queued", String(task.queued)),
      fact("running", String(task.running)),
    ),
  ];
}

/** @param {string} name @param {import("../lib/dom.js").Parts} value */
function fact(name, value) {
  return h("div", null, h("dt", null, name), h("dd", null, value));
}

/** @param {import("../lib/types.js").LastJob | null} last */
function link(last) {
  return last ? h("a", { href: to(["jobs", last.id]) }, ago(last.at)) : "–";
}

/** @param {import("../lib/types.js").Timeline} timeline @param {string} name @param {Schedule[]} schedules */
function lane(timeline, name, schedules) {
  const from = Date.parse(timeline.since);
  const until = Date.parse(timeline.until);
  const found = timeline.lanes.find((each) => each.task === name) ?? {
    task: name,
    past: [],
    absent: [],
    future: [],
  };
  const data = {
    from,
    to: until,
    bucketMs: timeline.bucket * 1000,
    lane: found,
    stripes: schedules.some((each) => each.paused),
  };
  return h(
    "div",
    {
      class: "lanes single",
      onopenjob: (/** @type {CustomEvent} */ event) => go(to(["jobs", event.detail])),
    },
    h("div", { class: "lane head" }, axis(from, until)),
    h("div", { class: "lane", memo: timeline.now }, laneView(data, name)),
  );
}

/** @param {Context} context @param {Schedule} schedule */
function scheduleView(context, schedule) {
  const may = context.may("tasks");
  return h(
    "section",
    { key: schedule.key, "aria-label": `Schedule ${schedule.key}` },
    h(
      "div",
      { class: "bar" },
      h("h2", null, "Schedule ", schedule.key),
      h("code", null, schedule.rule),
      h("span", { class: "faint" }, schedule.timezone),
      schedule.overridden && badge("paused", "changed on the page or by API"),
      schedule.paused && badge("paused", `paused: ${schedule.paused.reason}`),
      schedule.skips > 0 && badge("skipped", `skips ${schedule.skips}`),
      may &&
        h(
          "span",
          { class: "actions" },
          schedule.paused
            ? button("Resume", () => void resume(context, schedule))
            : button("Pause", () => void pause(context, schedule)),
          button("Skip next", () => void skipNext(context, schedule)),
          button("Edit", () => void editSchedule(context, schedule)),
        ),
    ),
    schedule.unreadable && h("p", { class: "fault" }, schedule.unreadable),
    h("inf-slots", {
      ".schedule": schedule,
      key: `${schedule.key} ${schedule.rule} ${schedule.timezone} ${schedule.next_slot}`,
    }),
  );
}

/** The next ten slots of a rule, as the server computes them. */
class Slots extends HTMLElement {
  /** @param {Schedule} schedule */
  set schedule(schedule) {
    void this.#load(schedule);
  }

  /** @param {Schedule} schedule */
  async #load(schedule) {
    const { cron, every, at: once, timezone, jitter, start, end } = schedule;
    const rule = cron ? { cron } : every ? { every } : { at: once };
    try {
      const preview = await send("POST", "schedules/preview?n=10", { ...rule, timezone, jitter, start, end });
      this.replaceChildren(...this.#list(preview, timezone));
    } catch (error) {
      this.textContent = error instanceof Error ? error.message : String(error);
    }
  }

  /** @param {any} preview @param {string} timezone */
  #list(preview, timezone) {
    const about = document.createElement("p");
    about.className = "faint";
    about.textContent = preview.description;
    const list = document.createElement("ol");
    list.className = "slots";
    for (const { utc, note } of preview.slots) {
      const item = document.createElement("li");
      item.textContent = clockTime(utc) + (note ? ` (${note})` : "");
      item.title = fullTime(utc, timezone);
      list.append(item);
    }
    return [about, list, ...warningsOf(preview)];
  }
}

customElements.define("inf-slots", Slots);

/** Clock changes within a year that affect the rule. @param {any} preview */
function warningsOf(preview) {
  return preview.warnings.slice(0, 3).map((/** @type {{ utc: string, note: string }} */ { utc, note }) => {
    const line = document.createElement("p");
    line.className = "faint";
    line.textContent = `Clock change: ${clockTime(utc)} ${note}`;
    return line;
  });
}

/** @param {JobPage | undefined} page @param {string} name */
function lastJobs(page, name) {
  if (!page) return null;
  return h(
    "section",
    { "aria-label": "Last jobs" },
    h(
      "div",
      { class: "bar" },
      h("h2", null, "Last jobs"),
      h("a", { href: to(["jobs"], { q: term("task", name) }) }, "all"),
    ),
    page.items.length === 0 && h("p", { class: "faint" }, "No job yet."),
    h(
      "table",
      null,
      h(
        "tbody",
        null,
        page.items.map((job) =>
          h(
            "tr",
            { key: `${job.id} ${job.due}` },
            h("td", null, jobBadge(job)),
            h("td", null, at(job.due)),
            h("td", null, job.duration === null ? "–" : duration(job.duration)),
            h("td", { class: "fault" }, job.error?.split("\n")[0] ?? ""),
            h("td", null, h("a", { class: "id", href: to(["jobs", job.id]) }, job.id)),
          ),
        ),
      ),
    ),
  );
}

/** @param {Task} task */
function options(task) {
  return h(
    "section",
    { "aria-label": "Options" },
    h("h2", null, "Options"),
    h(
      "dl",
      { class: "details" },
      Object.entries(task.options).map(([name, value]) => [
        h("dt", null, name),
        h("dd", null, h("code", null, JSON.stringify(value))),
      ]),
    ),
  );
}
