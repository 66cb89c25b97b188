/** A list that has no end: its first page stays fresh, more are loaded by cursor; rows stand still under the pointer. */

import { act } from "./notices.js";

/** @typedef {import("../context.js").Context} Context */

/**
 * @template T
 * @typedef {{ items: T[], next: string | number | null }} Page
 */

/** @template T */
export class EndlessList {
  /** @type {T[]} */
  #more = [];
  /** @type {string | number | null | undefined} */
  #cursor;
  #loading = false;
  /** What is shown while the pointer is over it. @type {T[] | null} */
  #held = null;
  #context;
  #load;
  #nameOf;
  /** How many rows have come while the list stood still. */
  fresh = 0;
  first;
  holders;

  /**
   * @param {Context} context
   * @param {string[]} topics
   * @param {(cursor?: string | number) => Promise<Page<T>>} load
   * @param {(item: T) => string} nameOf tells items apart
   * @param {{ everyMs?: number, pollMs?: number }} [times] of the first page
   */
  constructor(context, topics, load, nameOf, times = { everyMs: 1_500 }) {
    this.#context = context;
    this.#load = load;
    this.#nameOf = nameOf;
    this.first = context.resource(topics, () => load(), times);
    this.holders = {
      onpointerenter: () => {
        this.#held = this.#all();
      },
      onpointerleave: () => this.release(),
    };
  }

  /** The cursor of the next page, if there is one. */
  get next() {
    return this.#cursor === undefined ? this.first.value?.next : this.#cursor;
  }

  shown() {
    const now = this.#all();
    const held = this.#held;
    if (!held) return now;
    const known = new Set(held.map(this.#nameOf));
    const latest = new Map(now.map((item) => [this.#nameOf(item), item]));
    this.fresh = now.filter((item) => !known.has(this.#nameOf(item))).length;
    return held.map((item) => latest.get(this.#nameOf(item)) ?? item);
  }

  release() {
    this.#held = null;
    this.fresh = 0;
    this.#context.redraw();
  }

  async loadMore() {
    const cursor = this.next;
    if (this.#loading || !cursor) return;
    this.#loading = true;
    await act(async () => {
      const page = await this.#load(cursor);
      this.#more = [...this.#more, ...page.items];
      this.#cursor = page.next;
      if (this.#held) this.#held = [...this.#held, ...page.items];
      return null;
    });
    this.#loading = false;
    this.#context.redraw();
  }

  #all() {
    const items = [...(this.first.value?.items ?? []), ...this.#more];
    return [...new Map(items.map((item) => [this.#nameOf(item), item])).values()];
  }
}
