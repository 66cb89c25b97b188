/** Pause, resume, skip, trigger, backfill: what a person may do with a schedule; with undo where there is one. */

import { part, send } from "../lib/api.js";
import { clockTime, plural, slotTime } from "../lib/format.js";
import { go, to } from "../lib/router.js";
import { argsQuestion } from "./args_form.js";
import { act, sent } from "./notices.js";
import { ask } from "./question.js";

/** @typedef {import("../context.js").Context} Context */
/** @typedef {import("../lib/types.js").Schedule} Schedule */

const MOST_SHOWN = 5;

/** @param {Schedule} schedule @param {string} verb @param {unknown} [body] */
function post({ key }, verb, body) {
  return send("POST", `schedules/${part(key)}/${verb}`, body);
}

/** @param {Context} context @param {Schedule} schedule */
export async function pause(context, schedule) {
  const answer = await ask({
    title: `Pause ${schedule.key}`,
    text: "Slots that come while it is paused become no jobs.",
    button: "Pause",
    fields: [
      { name: "reason", label: "Reason", required: true },
      {
        name: "until",
        label: "Until",
        type: "datetime-local",
        hint: "by this computer’s clock; empty: until it is resumed",
      },
    ],
  });
  if (!answer) return;
  const until = answer.until ? new Date(answer.until).toISOString() : undefined;
  await act(async () => {
    await post(schedule, "pause", { reason: answer.reason, until });
    context.refresh();
    return { text: `Paused ${schedule.key}.`, undo: () => revert(context, () => post(schedule, "resume")) };
  });
}

/** @param {Context} context @param {Schedule} schedule */
export async function resume(context, schedule) {
  const { paused } = schedule;
  await act(async () => {
    await post(schedule, "resume");
    context.refresh();
    const again = { reason: paused?.reason ?? "", until: paused?.until ?? undefined };
    return {
      text: `Resumed ${schedule.key}.`,
      undo: () => revert(context, () => post(schedule, "pause", again)),
    };
  });
}

/** Back to the rule that the code declares. @param {Context} context @param {Schedule} schedule */
export async function reset(context, schedule) {
  await act(async () => {
    const { rule } = await post(schedule, "reset");
    context.refresh();
    const text = `${schedule.key} is again as the code declares it: ${rule}.`;
    const { key, cron, every, at, timezone, overlap, catch_up } = schedule;
    const own = { ...(cron ? { cron } : every ? { every } : { at }), timezone, overlap, catch_up };
    return { text, undo: () => revert(context, () => send("PATCH", `schedules/${part(key)}`, own)) };
  });
}

/** @param {Context} context @param {Schedule} schedule */
export async function skipNext(context, schedule) {
  await act(async () => {
    const { slots } = await post(schedule, "skip", { count: schedule.skips + 1 });
    context.refresh();
    const last = slots.at(-1);
    const text = last ? `The slot of ${slotTime(last)} becomes no job.` : "There is no slot to skip.";
    const undo = () => revert(context, () => post(schedule, "skip", { count: schedule.skips }));
    return last ? { text, undo } : text;
  });
}

/** @param {Context} context @param {() => Promise<unknown>} action */
async function revert(context, action) {
  await action();
  context.refresh();
}

/** A job now, beside the slots. @param {Context} context @param {Schedule} schedule */
export async function trigger(context, schedule) {
  const text = "One job now, beside the slots, with the schedule’s arguments or others.";
  const args = await argsQuestion({
    title: `Trigger ${schedule.key}`,
    button: "Run now",
    task: schedule.task,
    args: schedule.args,
    text,
  });
  if (!args) return;
  await act(async () => {
    const { id } = await post(schedule, "trigger", { args: args.value });
    context.refresh();
    go(to(["jobs", id]));
    return sent(`Sent job ${id}.`, [id]);
  });
}

/** Jobs for past slots: count first, then send. @param {Context} context @param {Schedule} schedule
 * @param {{ from: number, to: number }} [span] */
export async function backfill(context, schedule, span) {
  const chosen = span ?? (await askSpan(schedule));
  if (!chosen) return;
  const range = {
    start: new Date(chosen.from).toISOString(),
    end: new Date(chosen.to).toISOString(),
    limit: 100,
  };
  await act(async () => {
    const { slots, known } = await post(schedule, "backfill", { ...range, dry_run: true });
    if (slots.length === 0)
      return `No slot without a job from ${clockTime(chosen.from)} to ${clockTime(chosen.to)}.`;
    const sure = await ask({
      title: `Backfill ${schedule.key}`,
      text: backfillText(slots, known),
      button: `Send ${plural(slots.length, "job")}`,
    });
    if (!sure) return null;
    const made = await post(schedule, "backfill", range);
    context.refresh();
    return `Sent ${plural(made.slots.length, "job")} for past slots.`;
  });
}

/** The same for one of the schedules of a task. @param {Context} context @param {Schedule[]} schedules
 * @param {{ from: number, to: number }} span */
export async function backfillOne(context, schedules, span) {
  const keys = schedules.map(({ key }) => key);
  const answer =
    keys.length < 2
      ? { key: keys[0] }
      : await ask({
          title: "Backfill which schedule?",
          text: `From ${clockTime(span.from)} to ${clockTime(span.to)}.`,
          button: "Count the slots",
          fields: [{ name: "key", label: "Schedule", options: keys }],
        });
  const chosen = schedules.find(({ key }) => key === answer?.key);
  if (chosen) await backfill(context, chosen, span);
}

/** @param {Schedule} schedule @returns {Promise<{ from: number, to: number } | null>} */
async function askSpan(schedule) {
  const answer = await ask({
    title: `Backfill ${schedule.key}`,
    text: "Jobs for past slots that had none. First you see how many.",
    button: "Count the slots",
    fields: [
      { name: "from", label: "From", type: "datetime-local", required: true },
      { name: "to", label: "To", type: "datetime-local", required: true, hint: "by this computer’s clock" },
    ],
    check: ({ from = "", to = "" }) => (from < to ? null : "The span ends after it begins."),
  });
  return answer && { from: Date.parse(answer.from ?? ""), to: Date.parse(answer.to ?? "") };
}

/** @param {string[]} slots @param {number} known */
function backfillText(slots, known) {
  const shown = slots
    .slice(0, MOST_SHOWN)
    .map((slot) => slotTime(slot))
    .join(", ");
  const more = slots.length > MOST_SHOWN ? ` and ${slots.length - MOST_SHOWN} more` : "";
  const rest = known > 0 ? ` ${plural(known, "slot")} of this span had a job already.` : "";
  return `${plural(slots.length, "slot")} without a job: ${shown}${more}.${rest}`;
}
