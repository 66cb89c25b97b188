/** Tasks: one row each, those that need attention first. */

import { get } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { duration } from "../lib/format.js";
import { go, to } from "../lib/router.js";
import { taskActions } from "../components/actions.js";
import { emptyTasks } from "../components/empty.js";
import { badge } from "../components/state.js";
import { strip } from "../components/strip.js";
import { ago } from "../components/time.js";
import { rowsOf } from "./now.js";

/** @typedef {import("../lib/types.js").Task} Task */

/** @param {import("../shell.js").Context} context @param {URLSearchParams} query @returns {import("../shell.js").View} */
export function tasksView(context, query) {
  let text = query.get("q") ?? "";
  const tasks = context.resource(["tasks", "jobs", "schedules", "workers"], () => get("tasks"));
  const schedules = context.resource(["schedules"], () => get("schedules", { limit: 500 }));
  /** Order of the last drawing: rows do not move while the pointer is over them. @type {string[]} */
  let order = [];
  let held = false;

  /** @param {import("./now.js").Row[]} rows */
  const ordered = (rows) => {
    if (!held || order.length === 0) order = rows.map(({ task }) => task.name);
    const places = new Map(order.map((name, n) => [name, n]));
    return rows.sort((a, b) => (places.get(a.task.name) ?? Infinity) - (places.get(b.task.name) ?? Infinity));
  };
  /** @param {InputEvent} event */
  const filter = (event) => {
    text = /** @type {HTMLInputElement} */ (event.target).value;
    go(to(["tasks"], { q: text }), { replace: true });
  };

  return {
    title: "Tasks",
    render: () => {
      if (!tasks.value) return h("p", { class: "faint" }, "Loading …");
      if (tasks.value.length === 0) return emptyTasks();
      const rows = ordered(rowsOf(tasks.value, schedules.value ?? [])).filter(({ task }) =>
        task.name.toLowerCase().includes(text.toLowerCase()),
      );
      return [
        h(
          "div",
          { class: "bar" },
          h("h1", null, "Tasks"),
          h("input", {
            type: "search",
            placeholder: "Filter by name",
            "aria-label": "Filter by name",
            ".value": text,
            oninput: filter,
          }),
          h("span", { class: "faint" }, `${rows.length} of ${tasks.value.length}`),
        ),
        h(
          "table",
          {
            class: "tasks",
            onpointerenter: () => (held = true),
            onpointerleave: () => ((held = false), context.redraw()),
          },
          h(
            "thead",
            null,
            h(
              "tr",
              null,
              COLUMNS.map((name) => h("th", { scope: "col" }, name)),
            ),
          ),
          h(
            "tbody",
            null,
            rows.map((row) => rowView(context, row)),
          ),
        ),
        rows.length === 0 && h("p", { class: "faint" }, `No task has “${text}” in its name.`),
      ];
    },
  };
}

const COLUMNS = [
  "State",
  "Task",
  "Schedule",
  "Next",
  "Last success",
  "Last failure",
  "Last runs",
  "Typical",
  "",
];

/** @param {import("../shell.js").Context} context @param {import("./now.js").Row} row */
function rowView(context, { task, schedules, health }) {
  const rule = schedules[0];
  return h(
    "tr",
    { key: task.name },
    h("td", null, badge(health.kind, health.word, health.cause)),
    h(
      "td",
      { class: "name" },
      h("a", { href: to(["tasks", task.name]) }, task.name),
      task.doc && h("small", { class: "faint" }, task.doc),
    ),
    h(
      "td",
      { "data-name": "Schedule" },
      rule ? ruleText(rule) : h("span", { class: "faint" }, "sent by code"),
    ),
    h("td", { "data-name": "Next" }, ago(task.next_slot)),
    h("td", { "data-name": "Last success" }, jobLink(task.last_success)),
    h("td", { "data-name": "Last failure" }, jobLink(task.last_failure)),
    h("td", null, strip(task.recent, 10)),
    h("td", { "data-name": "Typical", class: "faint" }, typical(task)),
    h("td", { class: "actions" }, taskActions(context, task, schedules)),
  );
}

/** @param {import("../lib/types.js").Schedule} rule */
export function ruleText(rule) {
  return [
    h("code", null, rule.rule),
    rule.timezone !== "UTC" && h("small", { class: "faint" }, ` ${rule.timezone}`),
  ];
}

/** @param {import("../lib/types.js").LastJob | null} last */
function jobLink(last) {
  return last ? h("a", { href: to(["jobs", last.id]) }, ago(last.at)) : h("span", { class: "faint" }, "–");
}

/** The median of the last runs. @param {Task} task */
function typical(task) {
  const past = task.recent.map((run) => run.duration_ms).sort((a, b) => a - b);
  const median = past[Math.floor(past.length / 2)];
  return median === undefined ? "–" : duration(median / 1000);
}
