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
   * Compare both clocks. `Date` has whole seconds, so smaller differences are not corrected; a slow answer
   * leaves its own time open, and still shows a clock that is off by more.
   *
   * @param {string | null} date the header of a response
   * @param {number} tookMs how long the response took
   */
  learn(date, tookMs) {
    const theirs = date ? Date.parse(date) : Number.NaN;
    if (Number.isNaN(theirs)) return;
    const skew = theirs + 500 - (Date.now() - tookMs / 2);
    const open = WORTH_CORRECTING_MS + tookMs / 2;
    if (Math.abs(skew) <= open) this.#skewMs = 0;
    else if (Math.abs(skew - this.#skewMs) > open) this.#skewMs = skew;
  }

  /** Call `listener` each second while the page is shown. @param {() => void} listener */
  onSecond(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

export const clock = new Clock();
