/** States as a mark and a word: never colour alone. */

import { h } from "../lib/dom.js";

/** @type {Record<string, string>} */
const MARKS = {
  succeeded: "✓",
  failed: "✕",
  running: "▶",
  queued: "≡",
  scheduled: "◷",
  retrying: "↻",
  cancelled: "⊘",
  skipped: "↷",
  missed: "◌",
  late: "◌",
  lost: "☠",
  released: "⇤",
  failing: "✕",
  "no-worker": "⚠",
  broken: "⚠",
  paused: "‖",
  ok: "✓",
  new: "·",
  overridden: "✎",
};

/** @param {string} state @param {string} [word] @param {string} [title] */
export function badge(state, word = state, title) {
  return h("span", { class: `badge is-${state}`, title }, mark(state), h("span", null, word));
}

/** @param {string} state */
export function mark(state) {
  return h("span", { class: "mark", "aria-hidden": "true" }, MARKS[state] ?? "?");
}

/** A job's state with its reason. @param {{ state: string, reason: string | null }} job */
export function jobBadge(job) {
  const reason = job.reason && job.reason !== "error" ? ` · ${job.reason.replaceAll("_", " ")}` : "";
  return badge(job.state, job.state + reason);
}
