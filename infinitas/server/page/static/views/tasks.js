/** Tasks: one row each, those that need attention first. */

import { getSchedules, getTasks } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { plural } from "../lib/format.js";
import { SteadyOrder, rowsOf, typical } from "../lib/rows.js";
import { go, to } from "../lib/router.js";
import { ruleWords } from "../lib/rule_words.js";
import { STATISTICS_TIMES, loadStatistics } from "../lib/statistics.js";
import { taskActions } from "../components/actions.js";
import { emptyTasks } from "../components/empty.js";
import { Growing } from "../components/more.js";
import { waiting } from "../components/section.js";
import { badge } from "../components/state.js";
import { strip } from "../components/strip.js";
import { NONE, cell, row, table } from "../components/table.js";
import { ago, until } from "../components/time.js";

/** @typedef {import("../context.js").Context} Context */
/** @typedef {import("../lib/rows.js").Row} Row */
/** @typedef {import("../lib/types.js").TaskLine} Task */
/** @typedef {import("../lib/types.js").Schedule} Schedule */
/** @typedef {{ text: string, kind: string, grouped: boolean }} Choice */

const COLUMNS = [
  "State",
  "Task",
  "Schedule",
  "Next",
  "Last success",
  "Last failure",
  "Last runs",
  "p50 / p95",
  "",
];
/** Kinds of health that have a filter, with their names. */
const KINDS = /** @type {[string, string][]} */ ([
  ["failing", "failing"],
  ["late", "late"],
  ["missed", "missed"],
  ["no-worker", "no worker"],
  ["running", "running"],
  ["paused", "paused"],
]);

/** @param {Context} context @param {URLSearchParams} query @returns {import("../shell.js").View} */
export function tasksView(context, query) {
  const choice = {
    text: query.get("q") ?? "",
    kind: query.get("state") ?? "",
    grouped: query.has("grouped"),
  };
  const tasks = context.resource(["tasks", "jobs", "schedules", "workers"], getTasks);
  const schedules = context.resource(["schedules"], getSchedules, { everyMs: 2_000 });
  const statistics = context.resource(["jobs"], loadStatistics, STATISTICS_TIMES);
  /** @type {SteadyOrder<Row>} */
  const order = new SteadyOrder();
  const growing = new Growing(() => context.redraw());
  const holders = order.holders(() => context.redraw());
  return {
    title: "Tasks",
    render: () => {
      if (!tasks.value) return waiting(tasks);
      if (tasks.value.length === 0) return emptyTasks();
      const all = order.sort(
        rowsOf(tasks.value, schedules.value ?? [], statistics.value?.tasks ?? []),
        ({ task }) => task.name,
      );
      const found = all.filter((each) => fits(each, choice));
      return [
        bar(context, choice, all, found),
        table(COLUMNS, bodyOf(context, growing.shown(arranged(found, choice)), choice), {
          class: "tasks",
          ...holders,
        }),
        growing.rest(found.length, "tasks"),
        found.length === 0 && noneFound(choice),
      ];
    },
  };
}

/** @param {Row} row @param {Choice} choice */
function fits({ task, health }, { text, kind }) {
  return (!kind || health.kind === kind) && task.name.toLowerCase().includes(text.toLowerCase());
}

/** @param {Row[]} rows @param {Choice} choice in groups: those of one prefix follow each other */
function arranged(rows, { grouped }) {
  if (!grouped) return rows;
  return [...Map.groupBy(rows, ({ task }) => prefixOf(task.name)).values()].flat();
}

/** What comes before the first separator. @param {string} name */
function prefixOf(name) {
  return /^[^._:/-]+(?=[._:/-])/.exec(name)?.[0] ?? name;
}

/** @param {Context} context @param {Choice} choice @param {Row[]} all @param {Row[]} found */
function bar(context, choice, all, found) {
  /** @param {Partial<Choice>} change */
  const choose = (change) => {
    Object.assign(choice, change);
    const { text, kind, grouped } = choice;
    go(to(["tasks"], { q: text, state: kind, grouped: grouped ? "1" : "" }), { replace: true, quiet: true });
    context.redraw();
  };
  const filter = (/** @type {Event} */ event) =>
    choose({ text: /** @type {HTMLInputElement} */ (event.target).value });
  return h(
    "div",
    { class: "bar" },
    h("h1", null, "Tasks"),
    h("input", {
      type: "search",
      placeholder: "Filter by name",
      "aria-label": "Filter by name",
      ".value": choice.text,
      oninput: filter,
    }),
    kindButtons(choice, all, choose),
    h(
      "button",
      {
        type: "button",
        "aria-pressed": String(choice.grouped),
        onclick: () => choose({ grouped: !choice.grouped }),
      },
      "Group",
    ),
    h(
      "span",
      { class: "faint", role: "status" },
      found.length === all.length ? plural(all.length, "task") : `${found.length} of ${all.length}`,
    ),
  );
}

/** @param {Choice} choice @param {Row[]} all @param {(change: Partial<Choice>) => void} choose */
function kindButtons({ kind }, all, choose) {
  const counts = Map.groupBy(all, ({ health }) => health.kind);
  const shown = KINDS.filter(
    ([each]) => each === kind || counts.has(/** @type {Row["health"]["kind"]} */ (each)),
  );
  const buttons = shown.map(([each, name]) => {
    const number = counts.get(/** @type {Row["health"]["kind"]} */ (each))?.length ?? 0;
    const press = () => choose({ kind: each === kind ? "" : each });
    return h(
      "button",
      { type: "button", key: each, "aria-pressed": String(each === kind), onclick: press },
      `${number} ${name}`,
    );
  });
  return h("div", { class: "choice", role: "group", "aria-label": "State" }, buttons);
}

/** @param {Context} context @param {Row[]} rows @param {Choice} choice */
function bodyOf(context, rows, { grouped }) {
  if (!grouped) return rows.map((each) => rowView(context, each));
  return [...Map.groupBy(rows, ({ task }) => prefixOf(task.name))].map(([prefix, own]) => [
    own.length > 1 &&
      h(
        "tr",
        { key: `group ${prefix}`, class: "group" },
        h(
          "th",
          { colspan: COLUMNS.length, scope: "rowgroup" },
          `${prefix} `,
          h("span", { class: "faint" }, String(own.length)),
        ),
      ),
    own.map((each) => rowView(context, each)),
  ]);
}

/** @param {Context} context @param {Row} row */
function rowView(context, { task, schedules, health, statistics }) {
  const rule = schedules.find(({ next_slot }) => next_slot === task.next_slot) ?? schedules[0];
  return row(task.name, [
    cell("State", badge(health.kind, health.word, health.cause), "lead"),
    h(
      "td",
      { class: "name" },
      h("a", { href: to(["tasks", task.name]) }, task.name),
      task.external && h("small", { class: "faint" }, "runs elsewhere"),
      task.doc && h("small", { class: "faint", title: task.doc }, task.doc),
    ),
    cell(
      "Schedule",
      rule ? ruleText(rule, schedules.length) : h("span", { class: "faint none" }, "sent by code"),
      "rule",
    ),
    cell(
      "Next",
      health.kind === "paused" ? h("span", { class: "faint" }, "paused") : until(task.next_slot),
      "time",
    ),
    cell("Last success", jobLink(task.last_success), "time"),
    cell("Last failure", jobLink(task.last_failure), "time"),
    cell("Last runs", statistics.runs ? strip(statistics.runs) : NONE, "runs"),
    cell("p50 / p95", statistics.p50_ms === null ? NONE : typical(statistics), "faint time"),
    h("td", { class: "actions" }, taskActions(context, task, schedules)),
  ]);
}

/** @param {import("../lib/types.js").Rule} rule @param {number} count of the task's schedules */
function ruleText(rule, count) {
  return [
    h("span", { title: `${rule.rule} ${rule.timezone}` }, ruleWords(rule)),
    rule.timezone !== "UTC" && h("small", { class: "faint" }, ` ${rule.timezone.replaceAll("_", " ")}`),
    count > 1 && h("small", { class: "faint" }, ` and ${count - 1} more`),
  ];
}

/** @param {import("../lib/types.js").LastJob | null} last */
function jobLink(last) {
  return last ? h("a", { href: to(["jobs", last.id]) }, ago(last.date)) : NONE;
}

/** @param {Choice} choice */
function noneFound({ text, kind }) {
  const parts = [text && `has “${text}” in its name`, kind && `is ${kind.replace("-", " ")}`].filter(Boolean);
  return h(
    "p",
    { class: "empty" },
    `No task ${parts.join(" and ")}. `,
    h("a", { href: to(["tasks"]) }, "Show all"),
  );
}
