/** What a person may do with tasks and jobs. A button for which the token lacks the scope is absent. */

import { part, send } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { go, to } from "../lib/router.js";
import { argsQuestion } from "./args_form.js";
import { act, sent } from "./notices.js";
import { ask } from "./question.js";
import { pause, resume } from "./schedule_actions.js";

/** @typedef {import("../context.js").Context} Context */
/** @typedef {import("../lib/types.js").TaskLine} Task */
/** @typedef {import("../lib/types.js").Schedule} Schedule */
/** @typedef {import("../lib/types.js").Job} Job */

const FINAL = new Set(["succeeded", "failed", "cancelled", "skipped", "missed"]);

/** @param {string} label @param {() => void} run @param {string} [kind] @param {string} [about] for screen readers */
export function button(label, run, kind = "", about) {
  return h(
    "button",
    { type: "button", class: kind, onclick: run, "aria-label": about && `${label} ${about}` },
    label,
  );
}

/** Run, pause and resume; an external task is run by its host alone. @param {Context} context @param {Task} task @param {Schedule[]} schedules */
export function taskActions(context, task, schedules) {
  return [
    !task.external && context.may("jobs") && button("Run", () => void runTask(context, task), "", task.name),
    pauseAction(context, schedules[0]),
  ];
}

/** @param {Context} context @param {Schedule | undefined} own */
function pauseAction(context, own) {
  if (!own || !context.may("tasks")) return null;
  return own.paused
    ? button("Resume", () => void resume(context, own), "", own.key)
    : button("Pause", () => void pause(context, own), "", own.key);
}

/** The one action that fits the cause. @param {Context} context @param {import("../lib/rows.js").Row} row */
export function attentionActions(context, { task, health }) {
  const last = task.last_failure;
  if (health.kind === "failing" && last) {
    return [
      !task.external &&
        context.may("jobs") &&
        button("Retry", () => void retryJob(context, last.id), "", task.name),
      h("a", { class: "button primary", href: to(["jobs", last.id]) }, "Open error"),
    ];
  }
  if (health.kind === "broken" || task.external)
    return h("a", { class: "button", href: to(["tasks", task.name]) }, "Open");
  return context.may("jobs") && button("Run now", () => void runTask(context, task), "", task.name);
}

/** @param {Context} context @param {Task} task */
export async function runTask(context, task) {
  const args = await argsQuestion({
    title: `Run ${task.name}`,
    button: "Run now",
    task: task.name,
    args: [],
  });
  if (!args) return;
  await act(async () => {
    const job = await send("POST", `tasks/${part(task.name)}/jobs`, { args: args.value });
    context.refresh();
    go(to(["jobs", job.id]));
    return sent(`Sent job ${job.id}.`, [job.id]);
  });
}

/** Retry, run again and cancel. @param {Context} context @param {Job} job */
export function jobActions(context, job) {
  if (!context.may("jobs")) return [];
  const ended = FINAL.has(job.state);
  return [
    ended && job.state !== "succeeded" && button("Retry", () => void retryJob(context, job.id), "primary"),
    ended && button("Run again", () => void rerun(job)),
    ended && button("Run with other arguments", () => void runOther(job)),
    !ended && button("Cancel", () => void cancel(context, job), "danger"),
  ];
}

/** @param {Context} context @param {string} id */
async function retryJob(context, id) {
  await act(async () => {
    await send("POST", `jobs/${part(id)}/retry`);
    context.refresh();
    return `Job ${id} has new tries.`;
  });
}

/** @param {Job} job */
async function rerun(job) {
  await act(async () => {
    const { id } = await send("POST", `jobs/${part(job.id)}/rerun`);
    go(to(["jobs", id]));
    return sent(`Sent job ${id} with the same arguments.`, [id]);
  });
}

/** @param {Job} job */
async function runOther(job) {
  const args = await argsQuestion({
    title: `Run ${job.task} again`,
    button: "Run now",
    task: job.task,
    args: job.args,
  });
  if (!args) return;
  await act(async () => {
    const { id } = await send("POST", `tasks/${part(job.task)}/jobs`, { args: args.value });
    go(to(["jobs", id]));
    return sent(`Sent job ${id}.`, [id]);
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
    context.refresh();
    return job.state === "running" ? "The worker is notified." : "The job is cancelled.";
  });
}
