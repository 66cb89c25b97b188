/** Audit: each change through the server, with its actor, reason, and what it has changed. */

import { get } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { go, to } from "../lib/router.js";
import { changeOf } from "../components/change.js";
import { valuesOf } from "../components/question.js";
import { EndlessList } from "../components/endless.js";
import { moreButton } from "../components/more.js";
import { waiting } from "../components/section.js";
import { NONE, cell, row, table } from "../components/table.js";
import { ago, at } from "../components/time.js";

/** @typedef {import("../lib/types.js").AuditEntry} Entry */
/** @typedef {{ q: string, target: string, actor: string }} Filter */

/** An event comes before its entry is in Postgres. */
const TIMES = { everyMs: 1_500, pollMs: 3_000 };
const COLUMNS = ["When", "Actor", "Action", "Target", "Change", "Reason", "From"];

/** @param {import("../context.js").Context} context @param {URLSearchParams} query @returns {import("../shell.js").View} */
export function auditView(context, query) {
  const filter = {
    q: query.get("q") ?? "",
    target: query.get("target") ?? "",
    actor: query.get("actor") ?? "",
  };
  /** @param {string | number} [before] @returns {Promise<import("../lib/types.js").AuditPage>} */
  const load = (before) => get("audit", { ...filter, before });
  const list = new EndlessList(context, ["audit"], load, (/** @type {Entry} */ { id }) => String(id), TIMES);
  return {
    title: "Audit",
    render: () => {
      const entries = list.shown();
      return [
        searchBar(filter),
        !list.first.value && waiting(list.first),
        list.first.value && entries.length === 0 && none(filter),
        entries.length > 0 && table(COLUMNS, entries.map(entryRow), list.holders),
        list.next && moreButton("More changes", () => void list.loadMore()),
      ];
    },
  };
}

/** @param {Filter} filter */
function searchBar(filter) {
  /** @param {SubmitEvent} event */
  const submit = (event) => {
    event.preventDefault();
    go(to(["audit"], valuesOf(event)));
  };
  return h(
    "form",
    { class: "bar search", role: "search", onsubmit: submit },
    h("h1", null, "Audit"),
    h("input", {
      type: "search",
      name: "q",
      ".value": filter.q,
      placeholder: "Search",
      "aria-label": "Search",
    }),
    h("input", {
      type: "search",
      name: "target",
      ".value": filter.target,
      placeholder: "Target",
      "aria-label": "Target",
    }),
    h("input", {
      type: "search",
      name: "actor",
      ".value": filter.actor,
      placeholder: "Actor",
      "aria-label": "Actor",
    }),
    h("button", { type: "submit" }, "Filter"),
  );
}

/** @param {Filter} filter */
function none({ q, target, actor }) {
  if (!q && !target && !actor) return h("p", { class: "empty" }, "No change yet.");
  return h("p", { class: "empty" }, "No change matches. ", h("a", { href: to(["audit"]) }, "Show all"));
}

/** @param {Entry} entry */
function entryRow(entry) {
  return row(String(entry.id), [
    cell("When", [at(entry.at), " ", h("small", { class: "faint" }, ago(entry.at))], "time"),
    cell("Actor", entry.actor, "time"),
    cell("Action", entry.action.replaceAll("_", " "), "time"),
    h("td", { "data-name": "Target", class: "name" }, entry.target || NONE),
    cell("Change", changeOf(entry), "text"),
    cell("Reason", entry.reason || NONE, "text"),
    cell("From", entry.origin, "faint"),
  ]);
}
