/** The time of the server, and one timer for everything on the page that shows how long ago something was. */

const WORTH_CORRECTING_MS = 1_500;

class Clock {
  #skewMs = 0;
  /** @type {Set<() => void>} */
  #listeners = new Set();

  constructor() {
    setInterval(() => {
      if (!document.hidden) for (const listener of this.#listeners) listener();
    }, 1_000);
  }

  /** Now, by the server's clock, in ms since 1970. */
  now() {
    return Date.now() + this.#skewMs;
  }

  /**
   * Compare both clocks. `Date` has whole seconds, so smaller differences are not corrected.
   *
   * @param {string | null} date the header of a response
   * @param {number} tookMs how long the response took
   */
  learn(date, tookMs) {
    const theirs = date ? Date.parse(date) : Number.NaN;
    if (Number.isNaN(theirs) || tookMs > 1_000) return;
    const skew = theirs + 500 - (Date.now() - tookMs / 2);
    this.#skewMs = Math.abs(skew) > WORTH_CORRECTING_MS ? skew : 0;
  }

  /** Call `listener` each second while the page is shown. @param {() => void} listener */
  onSecond(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

export const clock = new Clock();
