/** The log of a job: its lines by level and text, following the end while the job runs. */

import { h } from "../lib/dom.js";
import { plural } from "../lib/format.js";
import { LEVELS, matching } from "../lib/log_rows.js";
import { plainText } from "../lib/ansi.js";
import "./log_rows.js";

/** @typedef {import("../lib/types.js").Job} Job */
/** @typedef {import("../lib/types.js").LogLine} LogLine */
/** @typedef {import("../lib/log_rows.js").NumberedLine} NumberedLine */

export class LogView {
  #context;
  #text = "";
  #level = "debug";
  #follow;
  #wraps = true;
  /** What was found last, for the same lines and query. */
  #found = {
    lines: /** @type {LogLine[] | null} */ (null),
    query: "",
    rows: /** @type {NumberedLine[]} */ ([]),
  };

  /** @param {import("../context.js").Context} context */
  constructor(context) {
    this.#context = context;
    this.#follow = chosenLine() === 0;
  }

  /** @returns {import("../lib/keyboard.js").Shortcut[]} */
  get shortcuts() {
    return [
      {
        keys: "f",
        what: "Follow the log",
        run: () =>
          this.#set(() => {
            this.#follow = !this.#follow;
          }),
      },
      {
        keys: "w",
        what: "Wrap the lines of the log",
        run: () =>
          this.#set(() => {
            this.#wraps = !this.#wraps;
          }),
      },
    ];
  }

  /** @param {Job} job */
  render(job) {
    if (job.log.length === 0)
      return h("p", { class: "faint" }, job.ended ? "The job has logged no line." : "No line yet.");
    const lines = this.#matching(job.log);
    const data = { lines, wraps: this.#wraps, follow: this.#follow, text: this.#text, chosen: chosenLine() };
    return [
      this.#bar(job, lines.length),
      h("inf-log", {
        class: "log",
        role: "region",
        tabindex: "0",
        "aria-label": "Log lines",
        ".data": data,
        onfollow: (/** @type {CustomEvent} */ event) =>
          this.#set(() => {
            this.#follow = event.detail;
          }),
      }),
    ];
  }

  /** @param {() => unknown} change */
  #set(change) {
    change();
    this.#context.redraw();
  }

  /** @param {LogLine[]} lines */
  #matching(lines) {
    const query = `${this.#level} ${this.#text}`;
    if (this.#found.lines !== lines || this.#found.query !== query) {
      this.#found = { lines, query, rows: matching(lines, this.#text, this.#level) };
    }
    return this.#found.rows;
  }

  /** @param {Job} job @param {number} found */
  #bar(job, found) {
    const search = (/** @type {Event} */ event) =>
      this.#set(() => {
        this.#text = textOf(event);
      });
    const choose = (/** @type {Event} */ event) =>
      this.#set(() => {
        this.#level = textOf(event);
      });
    return h(
      "div",
      { class: "bar" },
      h("input", {
        type: "search",
        placeholder: "Search the log",
        "aria-label": "Search the log",
        oninput: search,
      }),
      h(
        "select",
        { "aria-label": "Least level", onchange: choose },
        LEVELS.map((each) =>
          h("option", { value: each }, each === "debug" ? "all levels" : `${each} and above`),
        ),
      ),
      this.#toggle("Follow", this.#follow, () => {
        this.#follow = !this.#follow;
      }),
      this.#toggle("Wrap", this.#wraps, () => {
        this.#wraps = !this.#wraps;
      }),
      h("button", { type: "button", onclick: () => downloadLog(job) }, "Download"),
      h(
        "span",
        { class: "faint", role: "status" },
        found === job.log.length ? plural(found, "line") : `${found} of ${plural(job.log.length, "line")}`,
      ),
    );
  }

  /** @param {string} name @param {boolean} on @param {() => unknown} change */
  #toggle(name, on, change) {
    return h(
      "button",
      { type: "button", "aria-pressed": String(on), onclick: () => this.#set(change) },
      name,
    );
  }
}

/** The line that the address names; 0: none. */
function chosenLine() {
  return Number(/^#L(\d+)$/.exec(location.hash)?.[1] ?? 0);
}

/** @param {Event} event */
function textOf(event) {
  return /** @type {HTMLInputElement} */ (event.target).value;
}

/** @param {Job} job */
function downloadLog(job) {
  const text = job.log.map((line) => `${line.at} ${line.level} ${plainText(line.text)}\n`).join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = `${job.id}.log`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
}
