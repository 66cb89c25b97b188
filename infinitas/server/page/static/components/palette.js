/** The command palette: views, tasks, and the job of a pasted id. */

import { getTasks } from "../lib/api.js";
import { h, render } from "../lib/dom.js";
import { go, to } from "../lib/router.js";
import { openDialog } from "./dialog.js";

/** @typedef {{ title: string, run: () => void, hint?: string }} Command */

const MOST = 12;

/** @param {Command[]} commands of the page; tasks are added
 * @param {((task: import("../lib/types.js").TaskLine) => void) | undefined} run runs a task; undefined without the right to it */
export function showPalette(commands, run) {
  void new Palette(commands, run).open();
}

class Palette {
  #dialog = openDialog("Search and commands", "palette");
  #text = "";
  #chosen = 0;
  #commands;
  #run;

  /** @param {Command[]} commands @param {((task: import("../lib/types.js").TaskLine) => void) | undefined} run */
  constructor(commands, run) {
    this.#commands = commands;
    this.#run = run;
  }

  async open() {
    this.#draw();
    const tasks = await getTasks().catch(() => []);
    const open = tasks.map(({ name }) => ({ title: name, hint: "task", run: () => go(to(["tasks", name])) }));
    const run = this.#run;
    const starts = run ? tasks.map((task) => ({ title: `Run ${task.name}`, run: () => run(task) })) : [];
    this.#commands = [...this.#commands, ...open, ...starts];
    if (this.#dialog.isConnected) this.#draw();
  }

  #found() {
    const parts = this.#text.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (/** @type {Command} */ { title }) =>
      parts.every((part) => title.toLowerCase().includes(part));
    return [...this.#commands.filter(fits).slice(0, MOST), ...jobCommand(this.#text)];
  }

  #draw() {
    const found = this.#found();
    render(
      this.#dialog,
      h(
        "div",
        null,
        h("input", {
          type: "search",
          role: "combobox",
          placeholder: "A task, a view, or a job’s id",
          "aria-label": "Search",
          "aria-expanded": "true",
          "aria-controls": "results",
          "aria-activedescendant": found.length > 0 ? `result-${this.#chosen}` : null,
          oninput: (/** @type {Event} */ event) => this.#type(event),
          onkeydown: (/** @type {KeyboardEvent} */ event) => this.#press(event),
        }),
        h(
          "ul",
          { role: "listbox", id: "results", "aria-label": "Results" },
          found.map((command, n) => this.#option(command, n)),
        ),
        found.length === 0 && h("p", { class: "faint" }, "Nothing matches."),
      ),
    );
  }

  /** @param {Command} command @param {number} n */
  #option(command, n) {
    return h(
      "li",
      {
        role: "option",
        id: `result-${n}`,
        "aria-selected": String(n === this.#chosen),
        onclick: () => this.#choose(command),
      },
      command.title,
      command.hint && h("span", { class: "faint" }, ` ${command.hint}`),
    );
  }

  /** @param {Event} event */
  #type(event) {
    this.#text = /** @type {HTMLInputElement} */ (event.target).value;
    this.#chosen = 0;
    this.#draw();
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    const steps = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1 });
    const found = this.#found();
    const step = steps[event.key];
    const command = found[this.#chosen];
    if (step && found.length > 0) this.#chosen = (this.#chosen + step + found.length) % found.length;
    else if (event.key === "Enter" && command) this.#choose(command);
    else return;
    event.preventDefault();
    if (this.#dialog.isConnected) this.#draw();
  }

  /** @param {Command} command */
  #choose(command) {
    this.#dialog.close();
    command.run();
  }
}

/** @param {string} text @returns {Command[]} */
function jobCommand(text) {
  const id = text.trim();
  return id.length >= 10 && !/\s/.test(id)
    ? [{ title: `Open job ${id}`, run: () => go(to(["jobs", id])) }]
    : [];
}
