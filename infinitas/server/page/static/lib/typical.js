/** How long the jobs of a task usually run, from its last runs. */

/** @typedef {import("./types.js").Task} Task */

/** The median of the last runs that succeeded, in ms. @param {Task} task @returns {number | null} */
export function typicalMs(task) {
  return quantile(
    task.recent.filter((run) => run.state === "succeeded").map((run) => run.duration_ms),
    0.5,
  );
}

/** @param {number[]} values @param {number} share @returns {number | null} */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
}
