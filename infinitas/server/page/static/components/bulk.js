/** One action for all jobs that a query finds: count first, then ask, then report. */

import { send } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { plural } from "../lib/format.js";
import { button } from "./actions.js";
import { act } from "./notices.js";
import { ask } from "./question.js";

/** @typedef {import("../context.js").Context} Context */
/** @typedef {import("../lib/query.js").JobFilter} JobFilter */

const MOST = 1_000;
const RETRIED = new Set(["failed", "cancelled", "skipped", "missed"]);
const CANCELLED = new Set(["scheduled", "queued", "running", "retrying"]);

/** @param {Context} context @param {JobFilter} filter @param {unknown[]} jobs @param {string} query as it was written */
export function bulkBar(context, filter, jobs, query) {
  const state = filter.state ?? "";
  if (!context.may("jobs") || jobs.length === 0) return null;
  if (RETRIED.has(state))
    return h(
      "span",
      { class: "actions" },
      button("Retry all …", () => void bulk(context, "retry", filter, query)),
    );
  if (!CANCELLED.has(state)) return null;
  return h(
    "span",
    { class: "actions" },
    button("Cancel all …", () => void bulk(context, "cancel", filter, query), "danger"),
  );
}

/** @param {Context} context @param {"retry" | "cancel"} action @param {JobFilter} filter
 * @param {string} query */
async function bulk(context, action, filter, query) {
  await act(async () => {
    const { wanted } = await send("POST", "jobs/bulk", { action, filter, dry_run: true });
    const name = action === "retry" ? "Retry" : "Cancel";
    const answer = await ask({
      title: `${name} ${plural(wanted.length, "job")}`,
      text: [
        "All that match ",
        h("code", null, query),
        wanted.length === MOST && ", the latest 1,000: do it again for the rest",
        ".",
      ],
      button: `${name} ${plural(wanted.length, "job")}`,
      danger: action === "cancel",
      fields: [{ name: "reason", label: "Reason" }],
    });
    if (!answer) return null;
    const { done, refused } = await send("POST", "jobs/bulk", { action, ids: wanted, reason: answer.reason });
    context.refresh();
    const rest = refused.length ? `, ${refused.length} refused: ${refused[0].detail}` : "";
    return `${plural(done.length, "job")} ${action === "retry" ? "with new tries" : "cancelled"}${rest}.`;
  });
}
