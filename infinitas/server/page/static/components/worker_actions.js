/** What a person may do with a worker. */

import { part, send } from "../lib/api.js";
import { button } from "./actions.js";
import { act } from "./notices.js";
import { ask } from "./question.js";

/** @typedef {import("../context.js").Context} Context */
/** @typedef {import("../lib/types.js").Worker} Worker */

/** @param {Context} context @param {Worker} worker */
export function drainAction(context, worker) {
  if (worker.stops || !context.may("tasks")) return null;
  return button("Drain", () => void drain(context, worker), "", worker.id);
}

/** @param {Context} context @param {Worker} worker */
async function drain(context, worker) {
  const answer = await ask({
    title: `Drain ${worker.id}`,
    text: "It claims no more jobs, finishes those that it runs, and ends.",
    button: "Drain",
    danger: true,
    fields: [{ name: "reason", label: "Reason" }],
  });
  if (!answer) return;
  await act(async () => {
    await send("POST", `workers/${part(worker.id)}/drain`, { reason: answer.reason });
    context.refresh();
    return `${worker.id} claims no more jobs.`;
  });
}
