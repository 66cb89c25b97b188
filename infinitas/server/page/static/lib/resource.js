/** Data of a view: loaded at once, and again after events of its topics; the last value stays through faults. */

/** @typedef {import("./feed.js").Feed} Feed */
/** @typedef {import("./feed.js").FeedEvent} FeedEvent */

const POLL_MS = 15_000;
const LONGEST_WAIT_MS = 30_000;

/**
 * @template T
 */
export class Resource {
  /** @type {T | undefined} */
  value;
  /** @type {import("./api.js").ApiError | undefined} */
  error;
  loading = false;
  /** Whether events may have been missed since `value` was loaded. */
  behind = false;
  /** When the last load ended, in ms by this machine's clock. */
  #loadedAt = 0;
  #failures = 0;
  #load;
  #changed;
  #everyMs;
  #again = false;
  #asleep = false;
  #closed = false;
  #timer = 0;
  #poll = 0;
  #unsubscribe;

  /**
   * @param {Feed} feed
   * @param {string[]} topics
   * @param {() => Promise<T>} load
   * @param {() => void} changed
   * @param {{ everyMs?: number, pollMs?: number }} [options] `everyMs`: it loads at most so often;
   *   `pollMs`: it loads at least so often, also without an event.
   */
  constructor(feed, topics, load, changed, { everyMs = 1_000, pollMs } = {}) {
    this.#load = load;
    this.#changed = changed;
    this.#everyMs = everyMs;
    this.#unsubscribe = feed.subscribe(topics, (events) => {
      if (!events) this.#missed();
      this.refresh();
    });
    this.#poll = setInterval(() => {
      if (pollMs || feed.state !== "live") this.refresh();
    }, pollMs ?? POLL_MS);
    void this.#run();
  }

  /** Load again, once the last load is over and `everyMs` have passed; after failures it waits longer. */
  refresh() {
    if (this.#closed) return;
    if (this.loading) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    const wait = Math.max(0, this.#loadedAt + this.#pause() - Date.now());
    this.#timer = setTimeout(() => void this.#run(), wait);
  }

  /** Load again at once, whatever has failed before. */
  retry() {
    this.#failures = 0;
    this.#loadedAt = 0;
    this.refresh();
  }

  /** The page is shown again: load what has changed while it was hidden. */
  wake() {
    if (this.#asleep) this.refresh();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#poll);
    this.#unsubscribe();
  }

  /** The feed came back, so the server answers again. */
  #missed() {
    this.behind = true;
    this.#failures = 0;
  }

  #pause() {
    if (this.#failures === 0) return this.#everyMs;
    return Math.min(LONGEST_WAIT_MS, 1_000 * 2 ** this.#failures) * (0.75 + Math.random() / 2);
  }

  async #run() {
    this.#asleep = document.hidden && this.value !== undefined;
    if (this.#asleep || this.#closed) return;
    this.loading = true;
    this.#again = false;
    try {
      this.value = await this.#load();
      this.error = undefined;
      this.behind = false;
      this.#failures = 0;
    } catch (error) {
      this.error = /** @type {import("./api.js").ApiError} */ (error);
      this.#failures += 1;
    }
    this.loading = false;
    this.#loadedAt = Date.now();
    if (this.#closed) return;
    this.#changed();
    if (this.#again || this.error) this.refresh();
  }
}
