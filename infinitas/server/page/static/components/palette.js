/** The command palette, and the list of keys. */

import { get } from "../lib/api.js";
import { h, render } from "../lib/dom.js";
import { go, to } from "../lib/router.js";

/** @typedef {{ title: string, run: () => void }} Command */

const MOST = 12;

/** @param {Command[]} commands of the page; tasks are added, and a text that is a job's id opens the job */
export async function showPalette(commands) {
  const dialog = openDialog("Search and commands", "palette");
  let text = "";
  let chosen = 0;
  /** @type {Command[]} */
  let tasks = [];
  const found = () => [...matches([...commands, ...tasks], text).slice(0, MOST), ...jobCommand(text)];
  const draw = () => {
    render(
      dialog,
      h(
        "div",
        null,
        h("input", {
          type: "search",
          placeholder: "A task, a view, or a job’s id",
          "aria-label": "Search",
          oninput: type,
          onkeydown: press,
        }),
        h(
          "ul",
          { role: "listbox", "aria-label": "Results" },
          found().map((command, n) =>
            h(
              "li",
              {
                role: "option",
                "aria-selected": String(n === chosen),
                key: command.title,
                onclick: () => choose(command),
              },
              command.title,
            ),
          ),
        ),
      ),
    );
  };
  /** @param {InputEvent} event */
  const type = (event) => {
    text = /** @type {HTMLInputElement} */ (event.target).value;
    chosen = 0;
    draw();
  };
  /** @param {KeyboardEvent} event */
  const press = (event) => {
    const steps = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1 });
    const list = found();
    const step = steps[event.key];
    if (step) chosen = (chosen + step + list.length) % Math.max(1, list.length);
    else if (event.key === "Enter" && list[chosen]) choose(/** @type {Command} */ (list[chosen]));
    else return;
    event.preventDefault();
    draw();
  };
  /** @param {Command} command */
  const choose = (command) => {
    dialog.close();
    command.run();
  };
  draw();
  const loaded = await get("tasks").catch(() => []);
  tasks = loaded.map((/** @type {{ name: string }} */ { name }) => ({
    title: name,
    run: () => go(to(["tasks", name])),
  }));
  draw();
}

/** @param {Command[]} commands @param {string} text */
function matches(commands, text) {
  const parts = text.toLowerCase().split(/\s+/).filter(Boolean);
  return commands.filter(({ title }) => parts.every((part) => title.toLowerCase().includes(part)));
}

/** @param {string} text @returns {Command[]} */
function jobCommand(text) {
  const id = text.trim();
  return id.length >= 10 && !/\s/.test(id)
    ? [{ title: `Open job ${id}`, run: () => go(to(["jobs", id])) }]
    : [];
}

/** @param {import("../lib/keyboard.js").Shortcut[]} shortcuts */
export function showHelp(shortcuts) {
  const dialog = openDialog("Keys", "help");
  render(
    dialog,
    h(
      "div",
      null,
      h("h2", null, "Keys"),
      h(
        "dl",
        { class: "keys" },
        shortcuts.map(({ keys, what }) => [h("dt", null, h("kbd", null, keys)), h("dd", null, what)]),
      ),
      h(
        "div",
        { class: "buttons" },
        h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Close"),
      ),
    ),
  );
}

/** @param {string} label @param {string} name */
function openDialog(label, name) {
  const dialog = document.createElement("dialog");
  dialog.className = name;
  dialog.setAttribute("aria-label", label);
  dialog.onclose = () => dialog.remove();
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
