/** Numbers of each task and of the last day, as the archive has them. */

import { get } from "./api.js";

/** They change slowly, and cost more than what is live. */
export const STATISTICS_TIMES = { everyMs: 10_000, pollMs: 60_000 };

/** With the last runs of each task. @returns {Promise<import("./types.js").Statistics>} */
export function loadStatistics() {
  return get("statistics");
}

/** Durations and the day alone, a tenth of it. @returns {Promise<import("./types.js").Statistics>} */
export function loadDurations() {
  return get("statistics", { runs: false });
}

/** @param {string} task @returns {Promise<import("./types.js").Statistics>} */
export function loadTaskStatistics(task) {
  return get("statistics", { task });
}
