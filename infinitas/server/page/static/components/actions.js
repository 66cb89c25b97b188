/** What a person may do with tasks, schedules and jobs. A button for which the token lacks the scope is absent. */

import { part, send } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { go, to } from "../lib/router.js";
import { act, ask } from "./notices.js";

/** @typedef {import("../shell.js").Context} Context */
/** @typedef {import("../lib/types.js").Task} Task */
/** @typedef {import("../lib/types.js").Schedule} Schedule */
/** @typedef {import("../lib/types.js").Job} Job */

const FINAL = new Set(["succeeded", "failed", "cancelled", "skipped", "missed"]);

/** @param {string} label @param {() => void} run @param {string} [kind] */
export function button(label, run, kind = "") {
  return h("button", { type: "button", class: kind, onclick: run }, label);
}

/** Run, pause and resume. @param {Context} context @param {Task} task @param {Schedule[]} schedules */
export function taskActions(context, task, schedules) {
  const own = schedules[0];
  return [
    context.may("jobs") && button("Run", () => void runTask(context, task)),
    own &&
      context.may("tasks") &&
      (own.paused
        ? button("Resume", () => void resume(context, own))
        : button("Pause", () => void pause(context, own))),
  ];
}

/** @param {Context} context @param {Task} task */
export async function runTask(context, task) {
  const answer = await ask({
    title: `Run ${task.name}`,
    button: "Run now",
    fields: [
      {
        name: "args",
        label: "Arguments",
        rows: 4,
        value: "[]",
        hint: "JSON: a list, or an object of named arguments",
      },
    ],
  });
  if (!answer) return;
  await act(async () => {
    const job = await send("POST", `tasks/${part(task.name)}/jobs`, {
      args: JSON.parse(answer.args || "[]"),
    });
    context.redraw();
    go(to(["jobs", job.id]));
    return `Sent job ${job.id}.`;
  });
}

/** @param {Context} context @param {Schedule} schedule */
export async function pause(context, schedule) {
  const answer = await ask({
    title: `Pause ${schedule.key}`,
    text: "Slots that come while it is paused become no jobs.",
    button: "Pause",
    fields: [
      { name: "reason", label: "Reason", required: true },
      { name: "until", label: "Until", type: "datetime-local", hint: "empty: until it is resumed" },
    ],
  });
  if (!answer) return;
  await act(async () => {
    const until = answer.until ? new Date(answer.until).toISOString() : undefined;
    await send("POST", `schedules/${part(schedule.key)}/pause`, { reason: answer.reason, until });
    refresh(context);
    return `Paused ${schedule.key}.`;
  });
}

/** @param {Context} context @param {Schedule} schedule */
export async function resume(context, schedule) {
  await act(async () => {
    await send("POST", `schedules/${part(schedule.key)}/resume`);
    refresh(context);
    return `Resumed ${schedule.key}.`;
  });
}

/** @param {Context} context @param {Schedule} schedule */
export async function skipNext(context, schedule) {
  await act(async () => {
    await send("POST", `schedules/${part(schedule.key)}/skip`, { count: 1 });
    refresh(context);
    return `The next slot of ${schedule.key} becomes no job.`;
  });
}

/** Retry, rerun and cancel. @param {Context} context @param {Job} job */
export function jobActions(context, job) {
  if (!context.may("jobs")) return [];
  const ended = FINAL.has(job.state);
  return [
    ended && job.state !== "succeeded" && button("Retry", () => void retry(context, job), "primary"),
    ended && button("Run again", () => void rerun(job)),
    !ended && button("Cancel", () => void cancel(context, job), "danger"),
  ];
}

/** @param {Context} context @param {Job} job */
async function retry(context, job) {
  await act(async () => {
    await send("POST", `jobs/${part(job.id)}/retry`);
    refresh(context);
    return "The job has new tries.";
  });
}

/** @param {Job} job */
async function rerun(job) {
  await act(async () => {
    const { id } = await send("POST", `jobs/${part(job.id)}/rerun`);
    go(to(["jobs", id]));
    return `Sent job ${id} with the same arguments.`;
  });
}

/** @param {Context} context @param {Job} job */
async function cancel(context, job) {
  const answer = await ask({
    title: "Cancel this job",
    text: `${job.task} · ${job.id}`,
    button: "Cancel the job",
    danger: true,
    fields: [{ name: "reason", label: "Reason" }],
  });
  if (!answer) return;
  await act(async () => {
    await send("POST", `jobs/${part(job.id)}/cancel`, { reason: answer.reason });
    refresh(context);
    return job.state === "running" ? "The worker is notified." : "The job is cancelled.";
  });
}

/** @param {Context} context */
export function refresh(context) {
  for (const resource of context.resources) resource.refresh();
}
