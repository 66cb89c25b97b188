/** The log of a job: lines by level and text, following the end while the job runs. */

import { h } from "../lib/dom.js";
import { clockTime, plural } from "../lib/format.js";

/** @typedef {import("../lib/types.js").Job} Job */
/** @typedef {import("../lib/types.js").LogLine} Line */

const LEVELS = ["debug", "info", "warning", "error"];
const MOST_LINES = 2_000;
const MOST_CHARS = 4_000;

/** @param {import("../shell.js").Context} context */
export function logView(context) {
  let text = "";
  let level = "debug";
  let follow = true;
  let wrap = true;
  /** @param {() => void} change */
  const set = (change) => () => (change(), context.redraw());

  /** @param {Job} job */
  const render = (job) => {
    const lines = job.log.filter(
      (line) => rank(line.level) >= rank(level) && line.text.toLowerCase().includes(text.toLowerCase()),
    );
    if (job.log.length === 0) return h("p", { class: "faint" }, "No line.");
    const shown = lines.slice(-MOST_LINES);
    return [
      h(
        "div",
        { class: "bar" },
        h("input", {
          type: "search",
          placeholder: "Search the log",
          "aria-label": "Search the log",
          oninput: (/** @type {InputEvent} */ event) => ((text = valueOf(event)), context.redraw()),
        }),
        h(
          "select",
          {
            "aria-label": "Least level",
            onchange: (/** @type {Event} */ event) => ((level = valueOf(event)), context.redraw()),
          },
          LEVELS.map((each) => h("option", { value: each }, each)),
        ),
        h(
          "button",
          { type: "button", "aria-pressed": String(follow), onclick: set(() => (follow = !follow)) },
          "Follow",
        ),
        h(
          "button",
          { type: "button", "aria-pressed": String(wrap), onclick: set(() => (wrap = !wrap)) },
          "Wrap",
        ),
        h("button", { type: "button", onclick: () => download(job) }, "Download"),
        h(
          "span",
          { class: "faint" },
          plural(lines.length, "line") +
            (lines.length > shown.length ? `, the last ${MOST_LINES} shown` : ""),
        ),
      ),
      h(
        "inf-log",
        {
          class: wrap ? "log wraps" : "log",
          role: "log",
          tabindex: "0",
          "aria-label": "Log",
          ".follow": follow,
        },
        shown.map(lineView),
      ),
    ];
  };
  return { render, shortcuts: [{ keys: "f", what: "Follow the log", run: set(() => (follow = !follow)) }] };
}

/** @param {Event} event */
function valueOf(event) {
  return /** @type {HTMLInputElement} */ (event.target).value;
}

/** @param {string} level */
function rank(level) {
  const found = LEVELS.indexOf(level);
  return found < 0 ? 1 : found;
}

/** @param {Line} line @param {number} n */
function lineView(line, n) {
  const cut = line.text.length > MOST_CHARS;
  return h(
    "div",
    { class: `line is-${line.level}`, memo: `${n} ${line.at}` },
    h("time", { datetime: line.at }, clockTime(line.at)),
    h("b", null, line.level),
    h(
      "span",
      { dir: "auto" },
      cut
        ? `${line.text.slice(0, MOST_CHARS)} … ${line.text.length - MOST_CHARS} more characters: download the log`
        : line.text,
    ),
  );
}

/** @param {Job} job */
function download(job) {
  const text = job.log.map((line) => `${line.at} ${line.level} ${line.text}\n`).join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = `${job.id}.log`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
}

class LogElement extends HTMLElement {
  follow = true;
  #observer = new MutationObserver(() => this.#toEnd());

  connectedCallback() {
    this.#observer.observe(this, { childList: true });
    this.#toEnd();
  }

  disconnectedCallback() {
    this.#observer.disconnect();
  }

  #toEnd() {
    if (this.follow) this.scrollTop = this.scrollHeight;
  }
}

customElements.define("inf-log", LogElement);
