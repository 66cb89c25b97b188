/** `<inf-log>`: the rows of a log; only those in the window exist as elements. */

import { ansiRuns } from "../lib/ansi.js";
import { h, render } from "../lib/dom.js";
import { clockTime, count } from "../lib/format.js";
import { leftOut, rowsOfLog } from "../lib/log_rows.js";

/** @typedef {import("../lib/log_rows.js").LogRow} LogRow */
/** @typedef {import("../lib/log_rows.js").NumberedLine} NumberedLine */
/** @typedef {{ lines: NumberedLine[], wraps: boolean, follow: boolean, text: string, chosen: number }} LogData */

const ROW_PX = 20;
const BEYOND = 12;
const NEAR_END_PX = 40;
/** Where the text of a row begins, before there is one to measure. */
const USUAL_LEFT_PX = 230;
const EDGE_PX = 14;

class LogElement extends HTMLElement {
  /** @type {LogData | undefined} */
  #data;
  /** @type {LogRow[]} */
  #rows = [];
  #space = document.createElement("div");
  #window = document.createElement("div");
  #columns = 0;
  #goTo = 0;
  #sized = new ResizeObserver(() => this.#layOut());

  connectedCallback() {
    if (!this.#space.parentNode) {
      this.#space.append(this.#window);
      this.append(this.#space);
    }
    this.#space.className = "space";
    this.#window.className = "window";
    this.onscroll = () => this.#scrolled();
    this.#sized.observe(this);
  }

  disconnectedCallback() {
    this.#sized.disconnect();
  }

  /** @param {LogData} data */
  set data(data) {
    const before = this.#data;
    this.#data = data;
    if (data.chosen !== before?.chosen) this.#goTo = data.chosen;
    this.#layOut();
  }

  #layOut() {
    const data = this.#data;
    if (!data || this.clientWidth === 0) return;
    this.#columns = data.wraps ? this.#fitting() : 0;
    this.#rows = rowsOfLog(data.lines, this.#columns);
    this.#space.style.height = `${this.#rows.length * ROW_PX}px`;
    if (this.#goTo) this.#scrollTo(this.#goTo);
    else if (data.follow) this.scrollTop = this.scrollHeight;
    this.#draw();
  }

  /** Characters that fit in a row behind its number, time and level. */
  #fitting() {
    const probe = document.createElement("span");
    probe.className = "probe";
    probe.textContent = "0".repeat(100);
    this.append(probe);
    const wide = probe.getBoundingClientRect().width / 100;
    probe.remove();
    const text = this.querySelector(".line .text");
    const left = text ? text.getBoundingClientRect().left - this.getBoundingClientRect().left : USUAL_LEFT_PX;
    return Math.max(20, Math.floor((this.clientWidth - left - EDGE_PX) / Math.max(1, wide)));
  }

  /** @param {number} number of a line */
  #scrollTo(number) {
    const found = this.#rows.findIndex(({ line }) => line.n === number);
    if (found < 0) return;
    this.#goTo = 0;
    this.scrollTop = found * ROW_PX - this.clientHeight / 3;
  }

  #scrolled() {
    const atEnd = this.scrollHeight - this.scrollTop - this.clientHeight < NEAR_END_PX;
    if (this.#data && this.#data.follow !== atEnd)
      this.dispatchEvent(new CustomEvent("follow", { detail: atEnd }));
    this.#draw();
  }

  #draw() {
    const data = this.#data;
    if (!data) return;
    const first = Math.max(0, Math.floor(this.scrollTop / ROW_PX) - BEYOND);
    const last = first + Math.ceil(this.clientHeight / ROW_PX) + 2 * BEYOND;
    this.#window.style.transform = `translateY(${first * ROW_PX}px)`;
    render(
      this.#window,
      this.#rows.slice(first, last).map((row) => rowView(row, data)),
    );
  }
}

customElements.define("inf-log", LogElement);

/** @param {LogRow} row @param {LogData} data */
function rowView(row, data) {
  const { line, from, to, first } = row;
  const more = leftOut(row, data.wraps);
  const chosen = line.n === data.chosen ? " is-chosen" : "";
  const address = `${location.pathname}${location.search}#L${line.n}`;
  return h(
    "div",
    { class: `line is-${line.level}${chosen}`, key: `${line.n} ${from}` },
    first
      ? h("a", { class: "number", href: address, id: `L${line.n}` }, String(line.n))
      : h("span", { class: "number" }),
    h("time", { datetime: line.at }, first ? clockTime(line.at) : ""),
    h("b", null, first ? line.level : ""),
    h("span", { class: "text", dir: "auto" }, marked(line.text.slice(from, to), data.text)),
    more > 0 && h("em", null, `… ${count(more)} more characters: wrap`),
  );
}

/** Colours of a terminal, and what the search has found. @param {string} text @param {string} wanted */
function marked(text, wanted) {
  return ansiRuns(text).map(({ text: part, style }) => {
    const body = wanted ? highlighted(part, wanted) : part;
    return style ? h("span", { class: style }, body) : body;
  });
}

/** @param {string} text @param {string} wanted @returns {import("../lib/dom.js").Parts[]} */
function highlighted(text, wanted) {
  const parts = [];
  const lower = text.toLowerCase();
  const size = wanted.length;
  let from = 0;
  for (
    let at = lower.indexOf(wanted.toLowerCase());
    at >= 0;
    at = lower.indexOf(wanted.toLowerCase(), from)
  ) {
    parts.push(text.slice(from, at), h("mark", null, text.slice(at, at + size)));
    from = at + size;
  }
  parts.push(text.slice(from));
  return parts;
}
