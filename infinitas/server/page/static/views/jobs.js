/** Jobs: a query, and what it finds, latest first; more are loaded at the end of the list. */

import { get, send } from "../lib/api.js";
import { clock } from "../lib/clock.js";
import { h } from "../lib/dom.js";
import { duration, plural } from "../lib/format.js";
import { FIELDS, parseQuery, QueryError, STATES, term } from "../lib/query.js";
import { go, to } from "../lib/router.js";
import { refresh } from "../components/actions.js";
import { act, ask } from "../components/notices.js";
import { jobBadge } from "../components/state.js";
import { ago, at } from "../components/time.js";

/** @typedef {import("../lib/types.js").Job} Job */
/** @typedef {import("../lib/types.js").JobPage} JobPage */
/** @typedef {import("../shell.js").Context} Context */

const PAGE = 50;

/** @param {Context} context @param {URLSearchParams} query @returns {import("../shell.js").View} */
export function jobsView(context, query) {
  const text = query.get("q") ?? "";
  const { filter, fault } = read(text);
  /** Pages after the first. @type {Job[]} */
  let more = [];
  /** @type {string | null | undefined} */
  let cursor;
  let loading = false;
  const first = context.resource(
    ["jobs"],
    () => (filter ? /** @type {Promise<JobPage>} */ (get("jobs", { ...filter, limit: PAGE })) : none()),
    { everyMs: 2_000 },
  );

  const loadMore = async () => {
    const after = cursor === undefined ? first.value?.next : cursor;
    if (loading || !after) return;
    loading = true;
    await act(async () => {
      const page = /** @type {JobPage} */ (await get("jobs", { ...filter, limit: PAGE, cursor: after }));
      more = [...more, ...page.items];
      cursor = page.next;
      return `${plural(page.items.length, "more job")}.`;
    });
    loading = false;
    context.redraw();
  };

  return {
    title: "Jobs",
    render: () => {
      const jobs = unique([...(first.value?.items ?? []), ...more]);
      const rest = cursor === undefined ? first.value?.next : cursor;
      return [
        h(
          "div",
          { class: "bar" },
          h("h1", null, "Jobs"),
          queryField(text),
          first.value &&
            h("span", { class: "faint" }, plural(jobs.length, "job") + (rest ? " and more" : "")),
        ),
        fault && h("p", { class: "fault", role: "alert" }, fault),
        quickFilters(text),
        bulkBar(context, filter, jobs),
        first.value && jobs.length === 0 && empty(text),
        jobs.length > 0 && table(jobs),
        rest &&
          h(
            "div",
            { class: "buttons" },
            h("button", { type: "button", onclick: () => void loadMore() }, "Load more"),
          ),
      ];
    },
  };
}

/** @param {string} text */
function read(text) {
  try {
    return { filter: parseQuery(text, clock.now()), fault: "" };
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    return { filter: null, fault: error.message };
  }
}

/** @returns {Promise<JobPage>} */
async function none() {
  return { items: [], next: null };
}

/** @param {Job[]} jobs */
function unique(jobs) {
  return [...new Map(jobs.map((job) => [`${job.id} ${job.due}`, job])).values()];
}

/** @param {string} text */
function queryField(text) {
  /** @param {SubmitEvent} event */
  const submit = (event) => {
    event.preventDefault();
    const value = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("q"));
    go(to(["jobs"], { q: value.trim() }));
  };
  return h(
    "form",
    { class: "query", role: "search", onsubmit: submit },
    h("input", {
      type: "search",
      name: "q",
      ".value": text,
      placeholder: "task:backup state:failed since:24h",
      "aria-label": "Query",
      list: "fields",
      spellcheck: "false",
    }),
    h(
      "datalist",
      { id: "fields" },
      FIELDS.map((field) => h("option", { value: `${field}:` })),
      STATES.map((state) => h("option", { value: `state:${state}` })),
    ),
  );
}

/** @param {string} text */
function quickFilters(text) {
  const rest = text.replace(/\s*\bstate:\S*/g, "").trim();
  return h(
    "div",
    { class: "choice", role: "group", "aria-label": "State" },
    ["", "running", "queued", "failed", "succeeded", "missed", "skipped"].map((state) => {
      const query = [rest, state && term("state", state)].filter(Boolean).join(" ");
      const current = state ? text.includes(`state:${state}`) : !text.includes("state:");
      return h(
        "a",
        { class: "button", href: to(["jobs"], { q: query }), "aria-current": current && "true" },
        state || "all",
      );
    }),
  );
}

/** @param {Context} context @param {Record<string, string> | null} filter @param {Job[]} jobs */
function bulkBar(context, filter, jobs) {
  if (!context.may("jobs") || !filter?.state || jobs.length === 0) return null;
  const action = ["failed", "cancelled", "skipped", "missed"].includes(filter.state)
    ? "retry"
    : filter.state === "succeeded"
      ? null
      : "cancel";
  if (!action) return null;
  return h(
    "div",
    { class: "bar" },
    h(
      "button",
      { type: "button", onclick: () => void bulk(context, action, filter) },
      action === "retry" ? "Retry all of these" : "Cancel all of these",
    ),
  );
}

/** Count first, then ask. @param {Context} context @param {string} action @param {Record<string, string>} filter */
async function bulk(context, action, filter) {
  await act(async () => {
    const { wanted } = await send("POST", "jobs/bulk", { action, filter, dry_run: true });
    const answer = await ask({
      title: `${action === "retry" ? "Retry" : "Cancel"} ${plural(wanted.length, "job")}`,
      text: wanted.length === 1000 ? "At most 1,000 at once; do it again for the rest." : undefined,
      button: action === "retry" ? "Retry them" : "Cancel them",
      danger: action === "cancel",
      fields: [{ name: "reason", label: "Reason" }],
    });
    if (!answer) return "Nothing was changed.";
    const { done, refused } = await send("POST", "jobs/bulk", { action, ids: wanted, reason: answer.reason });
    refresh(context);
    const rest = refused.length ? `, ${refused.length} refused: ${refused[0].detail}` : "";
    return `${plural(done.length, "job")} ${action === "retry" ? "have new tries" : "cancelled"}${rest}.`;
  });
}

/** @param {string} text */
function empty(text) {
  return h(
    "p",
    { class: "empty" },
    text
      ? ["No job matches ", h("code", null, text), ". ", h("a", { href: to(["jobs"]) }, "Show all")]
      : "No job yet.",
  );
}

/** @param {Job[]} jobs */
function table(jobs) {
  return h(
    "table",
    { class: "jobs" },
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        ["State", "Task", "Due", "Took", "Worker", "Job"].map((name) => h("th", { scope: "col" }, name)),
      ),
    ),
    h("tbody", null, jobs.map(row)),
  );
}

/** @param {Job} job */
function row(job) {
  return h(
    "tr",
    { key: `${job.id} ${job.due}` },
    h("td", null, jobBadge(job)),
    h(
      "td",
      { class: "name" },
      h("a", { href: to(["tasks", job.task]) }, job.task),
      job.error && h("small", { class: "fault" }, job.error.split("\n")[0]),
    ),
    h("td", { "data-name": "Due" }, at(job.due), " ", h("small", { class: "faint" }, ago(job.due))),
    h("td", { "data-name": "Took" }, job.duration === null ? "–" : duration(job.duration)),
    h("td", { "data-name": "Worker", class: "faint" }, job.worker ?? "–"),
    h(
      "td",
      null,
      h(
        "a",
        { class: "id", href: to(["jobs", job.id]) },
        job.id.length > 30 ? `…${job.id.slice(-28)}` : job.id,
      ),
    ),
  );
}
