/** Parts of an incident that several views show. */

import { part, send } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { to } from "../lib/router.js";
import { button } from "./actions.js";
import { act } from "./notices.js";
import { badge } from "./state.js";

/** @typedef {import("../context.js").Context} Context */
/** @typedef {import("../lib/types.js").Incident} Incident */

/** @param {Incident} incident */
export function incidentBadge({ kind }) {
  return badge("failing", kind.replaceAll("_", " "));
}

/** What it is about, with a link where that is a task. @param {Incident} incident */
export function incidentSubject({ task, subject }) {
  return task ? h("a", { href: to(["tasks", task]) }, task) : h("b", null, subject);
}

/** Absent without the right to it, and once it is acknowledged. @param {Context} context @param {Incident} incident */
export function takeOn(context, { id, task, subject, acknowledged_by }) {
  if (acknowledged_by || !context.may("tasks")) return null;
  const run = () =>
    act(async () => {
      await send("POST", `incidents/${part(id)}/acknowledge`, {});
      context.refresh();
      return "Taken on: no reminder follows, its recovery is sent.";
    });
  return button("Take on", () => void run(), "", task ?? subject);
}
