/** Jobs: a query, and what it finds, latest first; more are loaded at the end of the list. */

import { get } from "../lib/api.js";
import { clock } from "../lib/clock.js";
import { h } from "../lib/dom.js";
import { plural } from "../lib/format.js";
import { QueryError, parseQuery, term } from "../lib/query.js";
import { to } from "../lib/router.js";
import { bulkBar } from "../components/bulk.js";
import { EndlessList } from "../components/endless.js";
import { jobTable } from "../components/job_table.js";
import { moreButton } from "../components/more.js";
import { queryField } from "../components/query_field.js";
import { waiting } from "../components/section.js";

/** @typedef {import("../lib/types.js").Job} Job */
/** @typedef {import("../lib/types.js").JobPage} JobPage */
/** @typedef {import("../lib/query.js").JobFilter} JobFilter */
/** @typedef {import("../context.js").Context} Context */

const PAGE = 50;
const QUICK = ["", "running", "queued", "retrying", "failed", "succeeded", "missed", "skipped"];

/** @param {Context} context @param {URLSearchParams} query @returns {import("../shell.js").View} */
export function jobsView(context, query) {
  const text = query.get("q") ?? "";
  const { filter, fault } = read(text);
  if (!filter)
    return { title: "Jobs", render: () => [head(text), h("p", { class: "fault", role: "alert" }, fault)] };
  /** @param {string | number} [cursor] @returns {Promise<JobPage>} */
  const load = (cursor) => get("jobs", { ...filter, limit: PAGE, cursor });
  const list = new EndlessList(context, ["jobs"], load, (/** @type {Job} */ { id, due }) => `${id} ${due}`);
  return {
    title: "Jobs",
    render: () => {
      const jobs = list.shown();
      return [
        head(
          text,
          list.first.value &&
            h(
              "span",
              { class: "faint", role: "status" },
              plural(jobs.length, "job") + (list.next ? " and more" : ""),
            ),
        ),
        h("div", { class: "bar" }, quickFilters(text), bulkBar(context, filter, jobs, text)),
        list.fresh > 0 &&
          h(
            "button",
            { type: "button", class: "pill", key: "pill", onclick: () => list.release() },
            `${list.fresh} new: show`,
          ),
        !list.first.value && waiting(list.first),
        list.first.value && jobs.length === 0 && empty(text),
        jobs.length > 0 && jobTable(jobs, list.holders),
        list.next && moreButton("More jobs", () => void list.loadMore()),
      ];
    },
  };
}

/** @param {string} text @returns {{ filter: JobFilter | null, fault: string }} */
function read(text) {
  try {
    return { filter: parseQuery(text, clock.now()), fault: "" };
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    return { filter: null, fault: error.message };
  }
}

/** @param {string} text @param {import("../lib/dom.js").Parts} [count] */
function head(text, count) {
  return h("div", { class: "bar" }, h("h1", null, "Jobs"), queryField(text), count);
}

/** @param {string} text */
function quickFilters(text) {
  const rest = text.replace(/\s*\bstate:\S*/g, "").trim();
  const links = QUICK.map((state) => {
    const query = [rest, state && term("state", state)].filter(Boolean).join(" ");
    const current = state ? text.includes(`state:${state}`) : !text.includes("state:");
    const place = { class: "button", href: to(["jobs"], { q: query }), "aria-current": current && "true" };
    return h("a", place, state || "all");
  });
  return h("div", { class: "choice", role: "group", "aria-label": "State" }, links);
}

/** @param {string} text */
function empty(text) {
  if (!text)
    return h(
      "p",
      { class: "empty" },
      "No job yet. A job comes with the next slot of a schedule, or when code sends one.",
    );
  return h(
    "p",
    { class: "empty" },
    "No job matches ",
    h("code", null, text),
    ". ",
    h("a", { href: to(["jobs"]) }, "Show all"),
  );
}
