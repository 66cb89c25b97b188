/** What the shell gives to a view: its data, the person's scopes, and drawing again. */

import { clock } from "./lib/clock.js";
import { Resource } from "./lib/resource.js";

export class Context {
  /** @type {Resource<any>[]} */
  resources = [];
  /** @type {(() => void)[]} */
  #stops = [];
  #shell;

  /** @param {import("./shell.js").Shell} shell */
  constructor(shell) {
    this.#shell = shell;
  }

  /** Whether the token has a scope. @param {string} scope */
  may(scope) {
    return this.#shell.token.scopes.some((each) => each === scope || each === "admin");
  }

  /**
   * Data that stays fresh while the view is shown.
   *
   * @template T
   * @param {string[]} topics
   * @param {() => Promise<T>} load
   * @param {{ everyMs?: number, pollMs?: number }} [options]
   * @returns {Resource<T>}
   */
  resource(topics, load, options) {
    const made = new Resource(this.#shell.feed, topics, load, () => this.redraw(), options);
    this.resources.push(made);
    return made;
  }

  /** Load all data of the view again, after an action. */
  refresh() {
    for (const resource of this.resources) resource.refresh();
  }

  /** @param {() => void} listener called each second while the view is shown */
  onSecond(listener) {
    this.#stops.push(clock.onSecond(listener));
  }

  redraw() {
    this.#shell.redraw();
  }

  close() {
    for (const resource of this.resources) resource.close();
    for (const stop of this.#stops) stop();
  }
}
