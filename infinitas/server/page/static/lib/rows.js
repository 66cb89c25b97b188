/** Tasks with their schedules and health, as rows of a view. */

import { healthOf } from "./health.js";

/** @typedef {import("./types.js").Task} Task */
/** @typedef {import("./types.js").Schedule} Schedule */
/** @typedef {{ task: Task, schedules: Schedule[], health: import("./health.js").Health }} Row */

/** The most urgent first. @param {Task[]} tasks @param {Schedule[]} schedules @returns {Row[]} */
export function rowsOf(tasks, schedules) {
  const found = Map.groupBy(schedules, (each) => each.task);
  const rows = tasks.map((task) => {
    const own = found.get(task.name) ?? [];
    return { task, schedules: own, health: healthOf(task, own) };
  });
  return rows.sort((a, b) => a.health.rank - b.health.rank || (a.task.name < b.task.name ? -1 : 1));
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
