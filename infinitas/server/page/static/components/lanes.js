/** The lanes of all tasks, or of one: from the past over now into the future; also as a table. */

import { get } from "../lib/api.js";
import { clock } from "../lib/clock.js";
import { h } from "../lib/dom.js";
import { prefs, setZoom } from "../lib/prefs.js";
import { term } from "../lib/query.js";
import { go, to } from "../lib/router.js";
import "./lane.js";
import { axis } from "./lane_axis.js";
import { marksOf, summarize } from "./lane_marks.js";
import { hideCard, showCard } from "./hover_card.js";
import { Growing } from "./more.js";
import { mark } from "./state.js";
import { cell, row, table } from "./table.js";
import { until } from "./time.js";

/** @typedef {import("../context.js").Context} Context */
/** @typedef {import("../lib/rows.js").Row} Row */
/** @typedef {import("../lib/types.js").Job} Job */
/** @typedef {import("../lib/types.js").Lane} Lane */
/** @typedef {import("../lib/types.js").Timeline} Timeline */
/** @typedef {import("./lane_marks.js").LaneData} LaneData */
/** @typedef {{ from: number, to: number }} Span */

const HOUR_MS = 3_600_000;
/** Hours before now and after it, and the width of a bucket in seconds. The API looks a day ahead. */
const ZOOMS = /** @type {Record<string, [number, number, number]>} */ ({
  "1 h": [1, 1, 15],
  "6 h": [6, 6, 60],
  "24 h": [24, 24, 300],
  "7 d": [168, 24, 1800],
});
const POLL_MS = 60_000;
/** Pages that ask for the same span share the server's answer. */
const SHARED_MS = 5_000;
const USUAL = "24 h";
/** Where all history is younger than its past side. */
const YOUNG = "1 h";

export class Lanes {
  #asTable = false;
  /** The zoom while a person has chosen none. */
  #fitting = USUAL;
  #context;
  #task;
  #onSpan;
  #growing;
  /** Lanes as they were drawn last: most are the same each second. @type {Map<string, import("../lib/dom.js").VNode>} */
  #kept = new Map();
  timeline;

  /** @param {Context} context @param {{ task?: string, onSpan?: (span: Span) => void }} [options] */
  constructor(context, { task, onSpan } = {}) {
    this.#context = context;
    this.#task = task;
    this.#onSpan = onSpan;
    this.#growing = new Growing(() => context.redraw());
    const topics = task ? [`task:${task}`] : ["jobs", "schedules"];
    this.timeline = context.resource(topics, () => this.#load(), { everyMs: 5_000, pollMs: POLL_MS });
  }

  get #zoom() {
    return prefs.zoom || this.#fitting;
  }

  async #load() {
    const timeline = await loadTimeline(this.#task, this.#zoom);
    if (prefs.zoom || this.#fitting !== USUAL || !isYoung(timeline)) return timeline;
    this.#fitting = YOUNG;
    return loadTimeline(this.#task, YOUNG);
  }

  /** @returns {import("../lib/keyboard.js").Shortcut[]} */
  get shortcuts() {
    return [
      { keys: "+", what: "Zoom the lanes in", run: () => this.#zoomBy(-1) },
      { keys: "-", what: "Zoom the lanes out", run: () => this.#zoomBy(1) },
      { keys: "v", what: "Lanes as a table, and back", run: () => this.#switchForm() },
      { keys: "l", what: "To the lanes; then arrow keys and Enter", run: focusLanes },
    ];
  }

  /** @param {Row[]} rows @param {Job[]} running */
  render(rows, running) {
    const timeline = this.timeline.value;
    return h(
      "section",
      { "aria-label": "Lanes", key: "lanes" },
      h(
        "div",
        { class: "bar" },
        h("h2", null, "Lanes"),
        this.#zooms(),
        this.#formButton(),
        legend(),
        lateNote(timeline),
      ),
      timeline ? this.#body(timeline, rows, running) : h("div", { class: "lanes loading" }),
    );
  }

  /** @param {Timeline} timeline @param {Row[]} rows @param {Job[]} running */
  #body(timeline, rows, running) {
    const shown = this.#growing.shown(rows);
    const form = this.#asTable ? laneTable(timeline, shown) : this.#drawn(timeline, shown, running);
    return [form, this.#growing.rest(rows.length, "tasks")];
  }

  /** @param {Timeline} timeline @param {Row[]} rows @param {Job[]} running */
  #drawn(timeline, rows, running) {
    const span = { from: Date.parse(timeline.since), to: Date.parse(timeline.until) };
    const lanes = new Map(timeline.lanes.map((lane) => [lane.task, lane]));
    const live = Map.groupBy(running, (job) => job.task);
    const listeners = {
      onopenmark: openMark,
      onhovermark: hoverMark,
      onspan: (/** @type {CustomEvent} */ event) => this.#onSpan?.(event.detail),
    };
    return h(
      "div",
      { class: this.#task ? "lanes single" : "lanes", ...listeners },
      h(
        "div",
        { class: "lane head" },
        !this.#task && h("span", null),
        axis(span.from, span.to, timeline.clock_changes),
      ),
      rows.map((each) =>
        this.#lane(timeline, each, lanes.get(each.task.name), live.get(each.task.name) ?? [], span),
      ),
    );
  }

  /** @param {Timeline} timeline @param {Row} row @param {Lane | undefined} lane @param {Job[]} running
   * @param {Span} span */
  #lane(timeline, row, lane, running, span) {
    const { task, schedules, health } = row;
    const paused = schedules.map(({ paused }) => paused?.since ?? "").join();
    const live = running.map(({ id, step }) => `${id} ${step}`).join();
    const memo = [timeline.now, health.kind, paused, live, prefs.zone].join(" ");
    const kept = this.#kept.get(task.name);
    if (kept?.props.memo === memo) return kept;
    const data = laneData(timeline, row, lane ?? empty(task.name), running, span);
    const label = `${task.name}: ${summarize(lane ?? empty(task.name))}`;
    const drawn = h(
      "div",
      { class: "lane", key: task.name, memo },
      !this.#task && laneName(row),
      h("inf-lane", { ".data": data, "aria-label": label, drags: Boolean(this.#onSpan) }),
    );
    this.#kept.set(task.name, drawn);
    return drawn;
  }

  #zooms() {
    const buttons = Object.keys(ZOOMS).map((name) =>
      h(
        "button",
        { type: "button", "aria-pressed": String(name === this.#zoom), onclick: () => this.#zoomTo(name) },
        name,
      ),
    );
    return h("div", { class: "choice", role: "group", "aria-label": "Zoom" }, buttons);
  }

  #formButton() {
    const text = this.#asTable ? "As lanes" : "As a table";
    return h("button", { type: "button", class: "quiet", onclick: () => this.#switchForm() }, text);
  }

  #switchForm() {
    this.#asTable = !this.#asTable;
    this.#context.redraw();
  }

  /** @param {string} name */
  #zoomTo(name) {
    setZoom(name);
    this.timeline.retry();
    this.#context.redraw();
  }

  /** @param {number} step */
  #zoomBy(step) {
    const names = Object.keys(ZOOMS);
    const next = names[names.indexOf(this.#zoom) + step];
    if (next) this.#zoomTo(next);
  }
}

/** Whether all jobs are of the last hour: in a day they would be one dot. @param {Timeline} timeline */
function isYoung({ lanes, now }) {
  const begin = Date.parse(now) - HOUR_MS;
  const past = lanes.flatMap((lane) => lane.past);
  return past.length > 0 && past.every(({ start }) => Date.parse(start) >= begin);
}

/** @param {string | undefined} task @param {string} zoom @returns {Promise<Timeline>} */
function loadTimeline(task, zoom) {
  const [before, after, bucket] = ZOOMS[zoom] ?? [24, 24, 300];
  const now = Math.floor(clock.now() / SHARED_MS) * SHARED_MS;
  const since = new Date(now - before * HOUR_MS).toISOString();
  return get("timeline", { task, since, until: new Date(now + after * HOUR_MS).toISOString(), bucket });
}

/** @param {string} task @returns {Lane} */
function empty(task) {
  return { task, past: [], absent: [], future: [], paused: [] };
}

/** @param {Timeline} timeline @param {Row} row @param {Lane} lane @param {Job[]} running @param {Span} span
 * @returns {LaneData} */
function laneData(timeline, { task, schedules, statistics }, lane, running, span) {
  const bucketMs = timeline.bucket * 1000;
  const zones = new Set(schedules.map(({ timezone }) => timezone));
  return {
    ...span,
    bucketMs,
    name: task.name,
    marks: marksOf(lane, bucketMs, running, statistics.p50_ms),
    pauses: lane.paused.map(({ start, end }) => ({
      from: start ? Date.parse(start) : span.from,
      to: end ? Date.parse(end) : span.to,
    })),
    changes: timeline.clock_changes.filter(({ zone }) => zones.has(zone)).map(({ at }) => Date.parse(at)),
  };
}

/** @param {Row} row */
function laneName({ task, health }) {
  const title = [task.name, health.word, health.cause].filter(Boolean).join(" · ");
  return h(
    "a",
    { class: `name is-${health.kind}`, href: to(["tasks", task.name]), title },
    mark(health.kind),
    h("span", null, task.name),
  );
}

const LEGEND = /** @type {[string, string][]} */ ([
  ["succeeded", "succeeded"],
  ["failed", "failed"],
  ["missed", "no job"],
  ["running", "runs"],
]);

function legend() {
  const parts = LEGEND.map(([kind, name]) => h("span", { class: `is-${kind}` }, mark(kind), " ", name));
  return h("span", { class: "legend", "aria-hidden": "true" }, parts);
}

/** @param {Timeline | undefined} timeline */
function lateNote(timeline) {
  const gone = timeline?.missing.includes("history");
  return gone && h("span", { class: "fault" }, "The past is missing: Postgres is away.");
}

/** @param {CustomEvent} event */
function openMark({ detail: mark, target }) {
  hideCard();
  if (mark.count === 1 && mark.job) return go(to(["jobs", mark.job]));
  const name = /** @type {any} */ (target).closest(".lane").querySelector(".name span")?.textContent;
  const times = { since: new Date(mark.start).toISOString(), until: new Date(mark.end).toISOString() };
  const terms = Object.entries({ ...(name ? { task: name } : {}), state: mark.state, ...times });
  return go(to(["jobs"], { q: terms.map(([field, value]) => term(field, String(value))).join(" ") }));
}

/** @param {CustomEvent} event */
function hoverMark({ detail, target }) {
  if (detail) showCard(detail, /** @type {Element} */ (target));
  else hideCard();
}

function focusLanes() {
  const first = document.querySelector("inf-lane");
  if (first instanceof HTMLElement) first.focus();
}

/** @param {Timeline} timeline @param {Row[]} rows */
function laneTable(timeline, rows) {
  const lanes = new Map(timeline.lanes.map((lane) => [lane.task, lane]));
  return table(
    ["Task", "State", "In this span", "Next slot"],
    rows.map(({ task, health }) =>
      row(task.name, [
        h("td", { class: "name" }, h("a", { href: to(["tasks", task.name]) }, task.name)),
        cell("State", health.word),
        cell("In this span", summarize(lanes.get(task.name) ?? empty(task.name))),
        cell("Next slot", until(task.next_slot)),
      ]),
    ),
  );
}
