/** Numbers of each task and of the last day, as the archive has them. */

import { get } from "./api.js";

/** They change slowly, and cost more than what is live. */
export const STATISTICS_TIMES = { everyMs: 10_000, pollMs: 60_000 };

/** @returns {Promise<import("./types.js").Statistics>} */
export function loadStatistics() {
  return get("statistics");
}

/** @param {string} task @returns {Promise<import("./types.js").Statistics>} */
export function loadTaskStatistics(task) {
  return get("statistics", { task });
}
