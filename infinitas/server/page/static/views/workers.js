/** Workers: where they run, how busy they are, and the tasks that none serves. */

import { get } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { plural } from "../lib/format.js";
import { term } from "../lib/query.js";
import { to } from "../lib/router.js";
import { noWorker } from "../components/empty.js";
import { ago } from "../components/time.js";

/** @typedef {import("../lib/types.js").Worker} Worker */

/** @param {import("../shell.js").Context} context @returns {import("../shell.js").View} */
export function workersView(context) {
  const workers = context.resource(
    ["workers", "jobs"],
    () => /** @type {Promise<Worker[]>} */ (get("workers")),
    { everyMs: 2_000 },
  );
  const tasks = context.resource(
    ["tasks", "workers"],
    () => /** @type {Promise<import("../lib/types.js").Task[]>} */ (get("tasks")),
    { everyMs: 2_000 },
  );
  return {
    title: "Workers",
    render: () => {
      const alone = (tasks.value ?? []).filter((task) => !task.has_worker);
      return [
        h("h1", null, "Workers"),
        workers.value?.length === 0 &&
          h(
            "p",
            { class: "empty" },
            "No worker is live. Start one: ",
            h("code", null, "infinitas worker module:app"),
          ),
        (workers.value?.length ?? 0) > 0 && table(workers.value ?? []),
        alone.length > 0 &&
          h(
            "section",
            { "aria-label": "Tasks without a worker" },
            h("h2", null, `${plural(alone.length, "task")} without a worker`),
            h(
              "ul",
              null,
              alone.map((task) =>
                h(
                  "li",
                  { key: task.name },
                  h("a", { href: to(["tasks", task.name]) }, task.name),
                  " – ",
                  noWorker(task),
                ),
              ),
            ),
          ),
      ];
    },
  };
}

/** @param {Worker[]} workers */
function table(workers) {
  return h(
    "table",
    null,
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        ["Worker", "Host", "Busy", "Heartbeat", "Tasks", "Version", "Started"].map((name) =>
          h("th", { scope: "col" }, name),
        ),
      ),
    ),
    h("tbody", null, [...workers].sort((a, b) => (a.host + a.id < b.host + b.id ? -1 : 1)).map(row)),
  );
}

/** @param {Worker} worker */
function row(worker) {
  return h(
    "tr",
    { key: worker.id },
    h(
      "td",
      { class: "name" },
      h("a", { href: to(["jobs"], { q: `${term("worker", worker.id)} state:running` }) }, worker.id),
    ),
    h("td", { "data-name": "Host" }, `${worker.host} · ${worker.pid}`),
    h(
      "td",
      { "data-name": "Busy" },
      h("meter", { max: worker.capacity, value: worker.busy, "aria-label": "Busy" }),
      ` ${worker.busy}/${worker.capacity}`,
    ),
    h("td", { "data-name": "Heartbeat" }, ago(worker.last_beat)),
    h(
      "td",
      { "data-name": "Tasks", title: worker.tasks.join(", ") },
      worker.tasks.length > 3
        ? `${worker.tasks.slice(0, 3).join(", ")} and ${worker.tasks.length - 3} more`
        : worker.tasks.join(", "),
    ),
    h("td", { "data-name": "Version", class: "faint" }, worker.version),
    h("td", { "data-name": "Started" }, ago(worker.started)),
  );
}
