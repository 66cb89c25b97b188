/** Audit: each change through the server, with its actor and reason. */

import { get } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { go, to } from "../lib/router.js";
import { ago, at } from "../components/time.js";

/** @typedef {import("../lib/types.js").AuditEntry} Entry */

/** @param {import("../shell.js").Context} context @param {URLSearchParams} query @returns {import("../shell.js").View} */
export function auditView(context, query) {
  const filter = { target: query.get("target") ?? "", actor: query.get("actor") ?? "" };
  const entries = context.resource(["audit"], () => /** @type {Promise<Entry[]>} */ (get("audit", filter)));
  /** @param {SubmitEvent} event */
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    go(to(["audit"], { target: String(form.get("target")), actor: String(form.get("actor")) }));
  };
  return {
    title: "Audit",
    render: () => [
      h(
        "form",
        { class: "bar", role: "search", onsubmit: submit },
        h("h1", null, "Audit"),
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
      ),
      entries.value?.length === 0 && h("p", { class: "empty" }, "No change yet."),
      (entries.value?.length ?? 0) > 0 &&
        h(
          "table",
          null,
          h(
            "thead",
            null,
            h(
              "tr",
              null,
              ["When", "Actor", "Action", "Target", "Reason", "From"].map((name) =>
                h("th", { scope: "col" }, name),
              ),
            ),
          ),
          h("tbody", null, (entries.value ?? []).map(row)),
        ),
    ],
  };
}

/** @param {Entry} entry */
function row(entry) {
  return h(
    "tr",
    { key: String(entry.id) },
    h("td", null, at(entry.at), " ", h("small", { class: "faint" }, ago(entry.at))),
    h("td", { "data-name": "Actor" }, entry.actor),
    h("td", { "data-name": "Action" }, entry.action),
    h("td", { "data-name": "Target", class: "name" }, entry.target),
    h("td", { "data-name": "Reason" }, entry.reason || "–"),
    h("td", { "data-name": "From", class: "faint" }, entry.origin),
  );
}
