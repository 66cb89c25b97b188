/** Long lists: rows are drawn as far as the window is scrolled. */

import { h } from "../lib/dom.js";
import { count } from "../lib/format.js";

const STEP = 60;

/** Draws the first rows, and more once their end comes into the window. */
export class Growing {
  #most = STEP;
  #redraw;

  /** @param {() => void} redraw */
  constructor(redraw) {
    this.#redraw = redraw;
  }

  /** @template T @param {T[]} rows @returns {T[]} */
  shown(rows) {
    return rows.slice(0, this.#most);
  }

  /** What stands behind the rows. @param {number} total @param {string} noun in the plural */
  rest(total, noun) {
    if (total <= this.#most) return null;
    const grow = () => {
      this.#most += STEP * 2;
      this.#redraw();
    };
    return moreButton(`${count(total - this.#most)} more ${noun}`, grow);
  }
}

/** A button that presses itself when it comes into the window. @param {string} text @param {() => void} more */
export function moreButton(text, more) {
  return h(
    "inf-more",
    { key: "more", ".reach": more },
    h("button", { type: "button", class: "quiet", onclick: more }, text),
  );
}

class More extends HTMLElement {
  reach = () => {};
  #seen = new IntersectionObserver(([entry]) => entry?.isIntersecting && this.reach(), {
    rootMargin: "600px",
  });

  connectedCallback() {
    this.#seen.observe(this);
  }

  disconnectedCallback() {
    this.#seen.disconnect();
  }
}

customElements.define("inf-more", More);
