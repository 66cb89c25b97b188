/** Tasks with their schedules and health, as rows of a view. */

import { duration } from "./format.js";
import { healthOf } from "./health.js";

/** @typedef {import("./types.js").TaskLine} Task */
/** @typedef {import("./types.js").Schedule} Schedule */
/** @typedef {import("./types.js").TaskStatistics} TaskStatistics */
/**
 * @typedef {{ task: Task, schedules: Schedule[], health: import("./health.js").Health,
 *   statistics: TaskStatistics }} Row
 */

/**
 * The most urgent first.
 *
 * @param {Task[]} tasks
 * @param {Schedule[]} schedules
 * @param {TaskStatistics[]} statistics
 * @returns {Row[]}
 */
export function rowsOf(tasks, schedules, statistics) {
  const known = new Map(statistics.map((each) => [each.task, each]));
  const found = Map.groupBy(schedules, (each) => each.task);
  const rows = tasks.map((task) => {
    const own = found.get(task.name) ?? [];
    return {
      task,
      schedules: own,
      health: healthOf(task, own),
      statistics: known.get(task.name) ?? unknown(task),
    };
  });
  return rows.sort((a, b) => a.health.rank - b.health.rank || (a.task.name < b.task.name ? -1 : 1));
}

/** A task that has not ended a job yet. @param {Task} task @returns {TaskStatistics} */
function unknown(task) {
  return { task: task.name, runs: null, p50_ms: null, p95_ms: null };
}

/** The usual durations as text. @param {TaskStatistics} statistics */
export function typical({ p50_ms, p95_ms }) {
  return p50_ms === null || p95_ms === null ? "–" : `${duration(p50_ms / 1000)} / ${duration(p95_ms / 1000)}`;
}

/**
 * An order that stands still while it is held: rows do not move under the pointer.
 *
 * @template T
 */
export class SteadyOrder {
  held = false;
  /** @type {Map<string, number>} */
  #places = new Map();

  /** @param {T[]} rows @param {(row: T) => string} nameOf @returns {T[]} new rows are last while it is held */
  sort(rows, nameOf) {
    if (!this.held || this.#places.size === 0) {
      this.#places = new Map(rows.map((row, n) => [nameOf(row), n]));
      return rows;
    }
    /** @param {T} row */
    const place = (row) => this.#places.get(nameOf(row)) ?? Number.MAX_SAFE_INTEGER;
    return [...rows].sort((a, b) => place(a) - place(b));
  }

  /** Listeners for the element that has the rows. @param {() => void} released */
  holders(released) {
    return {
      onpointerenter: () => {
        this.held = true;
      },
      onpointerleave: () => {
        this.held = false;
        released();
      },
    };
  }
}
