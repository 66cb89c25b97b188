/** Arguments of a job, as JSON or, where the task has declared them, as a form. */

import { formatJson, parseJson } from "../lib/json.js";
import { ask } from "./question.js";

/** @typedef {import("../lib/types.js").Task} Task */

/**
 * @param {{ title: string, button: string, task: Task | null, args: unknown, text?: string }} given
 * @returns {Promise<{ value: unknown } | null>}
 */
export async function argsQuestion({ title, button, args, text }) {
  const answer = await ask({
    title,
    text,
    button,
    fields: [
      {
        name: "args",
        label: "Arguments",
        rows: 6,
        value: formatJson(args),
        hint: "JSON: a list, or an object of named arguments",
      },
    ],
    check: ({ args: written = "" }) => faultOf(written),
  });
  return answer && { value: parse(answer.args ?? "") };
}

/** @param {string} written */
function parse(written) {
  return written.trim() === "" ? [] : parseJson(written);
}

/** @param {string} written @returns {string | null} */
function faultOf(written) {
  try {
    const value = parse(written);
    return value !== null && typeof value === "object"
      ? null
      : "Arguments are a list [ … ] or an object { … }.";
  } catch (error) {
    return `This is no JSON: ${error instanceof Error ? error.message : error}.`;
  }
}
