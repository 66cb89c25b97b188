/** Queues: how much waits and runs, and since when. */

import { get } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { count } from "../lib/format.js";
import { ago } from "../components/time.js";

/** @param {import("../shell.js").Context} context @returns {import("../shell.js").View} */
export function queuesView(context) {
  const queues = context.resource(
    ["jobs"],
    () => /** @type {Promise<import("../lib/types.js").Queue[]>} */ (get("queues")),
    { everyMs: 2_000 },
  );
  return {
    title: "Queues",
    render: () => [
      h("h1", null, "Queues"),
      h(
        "table",
        null,
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            ["Queue", "Ready", "Oldest", "Running", "Later", "Tasks", "Not archived"].map((name) =>
              h("th", { scope: "col" }, name),
            ),
          ),
        ),
        h("tbody", null, (queues.value ?? []).map(row)),
      ),
    ],
  };
}

/** @param {import("../lib/types.js").Queue} queue */
function row(queue) {
  return h(
    "tr",
    { key: queue.name },
    h(
      "td",
      { class: "name" },
      queue.name,
      queue.unreadable && h("small", { class: "fault" }, queue.unreadable),
    ),
    h("td", { "data-name": "Ready" }, count(queue.queued)),
    h("td", { "data-name": "Oldest" }, ago(queue.oldest, "none")),
    h("td", { "data-name": "Running" }, count(queue.running)),
    h("td", { "data-name": "Later" }, count(queue.waiting)),
    h("td", { "data-name": "Tasks" }, count(queue.tasks)),
    h("td", { "data-name": "Not archived" }, count(queue.events)),
  );
}
