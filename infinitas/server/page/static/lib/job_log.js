/** The lines of a job's log: all at first, then only those that have come since. */

import { get } from "./api.js";

/** @typedef {import("./types.js").LogLine} LogLine */

const LIMIT = 10_000;

export class JobLog {
  /** @type {LogLine[]} */
  #lines = [];
  /** @type {string | null} */
  #cursor = null;
  #address;
  #ended = false;

  /** @param {string} address */
  constructor(address) {
    this.#address = address;
  }

  /** All lines so far; the same list as before where there is no new one. @returns {Promise<LogLine[]>} */
  async load() {
    if (this.#cursor === null) return this.#loadAll();
    const page = await get(this.#address, { cursor: this.#cursor });
    // The last lines of a job may arrive in another order than it is kept in; a job that runs again may have
    // another log.
    if (page.ended !== this.#ended) return this.#loadAll();
    this.#cursor = page.cursor;
    if (page.items.length > 0) this.#lines = [...this.#lines, ...page.items];
    return this.#lines;
  }

  async #loadAll() {
    /** @type {LogLine[]} */
    const lines = [];
    let after = -1;
    let page;
    do {
      page = await get(this.#address, { after, limit: LIMIT });
      lines.push(...page.items);
      after = page.next;
    } while (after !== null);
    this.#lines = lines;
    this.#cursor = page.cursor;
    this.#ended = page.ended;
    return lines;
  }
}
