/** `<inf-time at="…">`: a moment as "3 min ago" or "in 3 m 12 s", kept right by the page's one timer. */

import { clock } from "../lib/clock.js";
import { h } from "../lib/dom.js";
import { clockTime, countdown, fullTime, relative } from "../lib/format.js";

class RelativeTime extends HTMLElement {
  static observedAttributes = ["at"];
  /** @type {(() => void) | undefined} */
  #stop;
  #text = "";

  connectedCallback() {
    this.#stop = clock.onSecond(() => this.#show());
    // The title has the chosen zone, which may have changed since.
    this.onpointerenter = () => this.#setTitle();
    this.#show();
  }

  disconnectedCallback() {
    this.#stop?.();
  }

  attributeChangedCallback() {
    this.#setTitle();
    this.#show();
  }

  #setTitle() {
    const at = this.getAttribute("at");
    if (at) this.title = fullTime(at);
  }

  #show() {
    const at = this.getAttribute("at");
    const show = this.hasAttribute("coming") ? countdown : relative;
    /** @type {string} */
    const text = at ? show(at) : "";
    if (this.#text !== text) this.textContent = text;
    this.#text = text;
  }
}

customElements.define("inf-time", RelativeTime);

/** @param {string | null | undefined} moment @param {string} [none] */
export function ago(moment, none = "–") {
  return moment ? h("inf-time", { at: moment }) : h("span", { class: "faint none" }, none);
}

/** A moment to come, with the time left. @param {string | null | undefined} moment @param {string} [none] */
export function until(moment, none = "–") {
  return moment ? h("inf-time", { at: moment, coming: true }) : h("span", { class: "faint none" }, none);
}

/** A moment as a time of day. @param {string | null | undefined} moment */
export function at(moment) {
  if (!moment) return h("span", { class: "faint" }, "–");
  return h("time", { datetime: moment, title: fullTime(moment) }, clockTime(moment));
}
