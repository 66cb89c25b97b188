/** Incidents: what is wrong now, what was, and which messages about them are muted. */

import { get, send } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { duration } from "../lib/format.js";
import { to } from "../lib/router.js";
import { button } from "../components/actions.js";
import { EndlessList } from "../components/endless.js";
import { incidentBadge, incidentSubject, takeOn } from "../components/incident.js";
import { moreButton } from "../components/more.js";
import { act } from "../components/notices.js";
import { ask } from "../components/question.js";
import { section, waiting } from "../components/section.js";
import { NONE, cell, row, table } from "../components/table.js";
import { ago, until } from "../components/time.js";

/** @typedef {import("../context.js").Context} Context */
/** @typedef {import("../lib/types.js").Incident} Incident */
/** @typedef {import("../lib/types.js").IncidentPage} IncidentPage */
/** @typedef {import("../lib/types.js").Mute} Mute */

const OPEN = ["Kind", "Subject", "Error", "Times", "Since", "Taken on", ""];
const PAST = ["Kind", "Subject", "Error", "Times", "Ended", "Lasted"];
/** Of an error; the view of its job has all. */
const MOST_CHARS = 300;
const TIMES = { pollMs: 5_000 };

/** @param {Context} context @returns {import("../shell.js").View} */
export function incidentsView(context) {
  const topics = ["jobs", "workers"];
  const load = () => /** @type {Promise<IncidentPage>} */ (get("incidents", { open: true, limit: 200 }));
  const open = context.resource(topics, load, TIMES);
  const mutes = context.resource([], () => /** @type {Promise<Mute[]>} */ (get("mutes")), TIMES);
  /** @param {string | number} [before] @returns {Promise<IncidentPage>} */
  const loadPast = (before) => get("incidents", { open: false, before });
  const past = new EndlessList(context, topics, loadPast, (/** @type {Incident} */ { id }) => id, TIMES);
  return {
    title: "Incidents",
    render: () => [
      h(
        "div",
        { class: "bar" },
        h("h1", null, "Incidents"),
        context.may("tasks") && button("Mute …", () => void mute(context, "*")),
      ),
      open.value ? openTable(context, open.value.items) : waiting(open),
      mutesTable(context, mutes.value ?? []),
      pastTable(past),
    ],
  };
}

/** @param {Context} context @param {Incident[]} items */
function openTable(context, items) {
  if (items.length === 0) return h("p", { class: "empty" }, "No incident is open.");
  const rows = items.map((each) =>
    row(each.id, [
      ...common(each),
      cell("Since", ago(each.opened_at), "time"),
      cell("Taken on", each.acknowledged_by ? `by ${each.acknowledged_by}` : NONE),
      h("td", { class: "actions" }, actions(context, each)),
    ]),
  );
  return section("Open", table(OPEN, rows));
}

/** @param {Incident} incident */
function common(incident) {
  const { job, error, count } = incident;
  const fault = error?.split("\n")[0]?.slice(0, MOST_CHARS);
  return [
    cell("Kind", incidentBadge(incident), "lead"),
    h("td", { class: "name" }, incidentSubject(incident)),
    cell("Error", fault ? (job ? h("a", { href: to(["jobs", job]) }, fault) : fault) : NONE, "text"),
    cell("Times", String(count), "time"),
  ];
}

/** @param {Context} context @param {Incident} incident */
function actions(context, incident) {
  if (!context.may("tasks")) return null;
  const about = incident.task ?? incident.subject;
  return [takeOn(context, incident), button("Mute", () => void mute(context, about), "", about)];
}

/** @param {Context} context @param {string} tasks a glob */
async function mute(context, tasks) {
  const answer = await ask({
    title: "Mute messages",
    text: "Incidents open and close as before; no message about them is sent.",
    button: "Mute",
    fields: [
      { name: "tasks", label: "Tasks", value: tasks, required: true, hint: "a name, or a pattern with *" },
      {
        name: "until",
        label: "Until",
        type: "datetime-local",
        required: true,
        hint: "by this computer’s clock",
      },
      { name: "reason", label: "Reason", required: true },
    ],
  });
  if (!answer) return;
  const body = {
    tasks: answer.tasks,
    reason: answer.reason,
    until: new Date(answer.until ?? "").toISOString(),
  };
  await act(async () => {
    const { id } = await send("POST", "mutes", body);
    context.refresh();
    return { text: `Muted ${answer.tasks}.`, undo: () => endMute(context, id) };
  });
}

/** @param {Context} context @param {number} id */
async function endMute(context, id) {
  await send("POST", `mutes/${id}/end`, {});
  context.refresh();
}

/** @param {Context} context @param {Mute[]} mutes */
function mutesTable(context, mutes) {
  if (mutes.length === 0) return null;
  const rows = mutes.map((each) => {
    const end = () =>
      void act(async () => {
        await endMute(context, each.id);
        return "The mute has ended.";
      });
    return row(String(each.id), [
      h("td", { class: "name" }, h("b", null, each.tasks)),
      cell("Ends", until(each.until), "time"),
      cell("Reason", each.reason, "text"),
      cell("Actor", each.actor),
      h("td", { class: "actions" }, context.may("tasks") && button("End", end, "", `mute of ${each.tasks}`)),
    ]);
  });
  return section("Muted", table(["Tasks", "Ends", "Reason", "Actor", ""], rows));
}

/** @param {EndlessList<Incident>} past */
function pastTable(past) {
  const items = past.shown();
  if (items.length === 0) return null;
  const rows = items.map((each) =>
    row(each.id, [
      ...common(each),
      cell("Ended", ago(each.closed_at), "time"),
      cell("Lasted", lasted(each), "time"),
    ]),
  );
  const more = past.next && moreButton("More incidents", () => void past.loadMore());
  return section("Over", [table(PAST, rows, past.holders), more]);
}

/** @param {Incident} incident */
function lasted({ opened_at, closed_at }) {
  return closed_at ? duration((Date.parse(closed_at) - Date.parse(opened_at)) / 1000) : NONE;
}
