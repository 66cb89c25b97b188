/** Data of a view: loaded at once, and again after events of its topics; the last value stays through faults. */

/** @typedef {import("./feed.js").Feed} Feed */
/** @typedef {import("./feed.js").FeedEvent} FeedEvent */

const POLL_MS = 15_000;

/**
 * @template T
 */
export class Resource {
  /** @type {T | undefined} */
  value;
  /** @type {import("./api.js").ApiError | undefined} */
  error;
  /** When `value` was loaded, in ms by this machine's clock. */
  loadedAt = 0;
  loading = false;
  #load;
  #changed;
  #everyMs;
  #again = false;
  #closed = false;
  #timer = 0;
  #poll = 0;
  #unsubscribe;

  /**
   * @param {Feed} feed
   * @param {string[]} topics
   * @param {() => Promise<T>} load
   * @param {() => void} changed
   * @param {{ everyMs?: number, apply?: (value: T, events: FeedEvent[]) => boolean }} [options]
   *   `everyMs`: it loads at most so often. `apply` changes the value by events in place of loading; false: load.
   */
  constructor(feed, topics, load, changed, { everyMs = 1_000, apply } = {}) {
    this.#load = load;
    this.#changed = changed;
    this.#everyMs = everyMs;
    this.#unsubscribe = feed.subscribe(topics, (events) => {
      if (events && apply && this.value !== undefined && apply(this.value, events)) changed();
      else this.refresh();
    });
    this.#poll = setInterval(() => {
      if (feed.state !== "live" || topics.length === 0) this.refresh();
    }, POLL_MS);
    void this.#run();
  }

  /** Load again, as soon as the last load is over and `everyMs` have passed. */
  refresh() {
    if (this.#closed) return;
    if (this.loading) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    const wait = Math.max(0, this.loadedAt + this.#everyMs - Date.now());
    this.#timer = setTimeout(() => void this.#run(), wait);
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#poll);
    this.#unsubscribe();
  }

  async #run() {
    this.loading = true;
    this.#again = false;
    try {
      this.value = await this.#load();
      this.error = undefined;
    } catch (error) {
      this.error = /** @type {import("./api.js").ApiError} */ (error);
    }
    this.loading = false;
    this.loadedAt = Date.now();
    if (this.#closed) return;
    this.#changed();
    if (this.#again || this.error) this.refresh();
  }
}
