/** Jobs as a table, of the jobs list and of a task. */

import { h } from "../lib/dom.js";
import { duration } from "../lib/format.js";
import { to } from "../lib/router.js";
import { jobBadge } from "./state.js";
import { NONE, cell, row, table } from "./table.js";
import { ago, at } from "./time.js";

/** @typedef {import("../lib/types.js").Job} Job */

/** @param {Job[]} jobs @param {import("../lib/dom.js").Props} [props] @param {{ task?: boolean }} [options] */
export function jobTable(jobs, props = {}, { task = true } = {}) {
  const columns = ["State", ...(task ? ["Task"] : ["Job"]), "Due", "Took", "Worker"];
  return table(
    columns,
    jobs.map((job) => jobRow(job, task)),
    { class: "jobs", ...props },
  );
}

/** @param {Job} job @param {boolean} named */
function jobRow(job, named) {
  const fault = job.error?.split("\n")[0];
  return row(`${job.id} ${job.due}`, [
    cell("State", jobBadge(job), "lead"),
    h(
      "td",
      { class: "name" },
      h("a", { href: to(["jobs", job.id]) }, named ? job.task : h("span", { class: "id" }, job.id)),
      named && h("small", { class: "faint id" }, job.id),
      fault && h("small", { class: "fault", title: fault }, fault),
    ),
    cell("Due", [at(job.due), " ", h("small", { class: "faint" }, ago(job.due))], "time"),
    cell("Took", job.duration === null ? NONE : duration(job.duration), "time"),
    cell("Worker", job.worker ?? NONE, "faint worker"),
  ]);
}
