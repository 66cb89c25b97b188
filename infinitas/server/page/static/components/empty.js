/** What to do where there is nothing yet: snippets to copy, and the command that starts a worker. */

import { h } from "../lib/dom.js";
import { act } from "./notices.js";

const PYTHON = `# app.py
from infinitas import Infinitas

app = Infinitas()

@app.task(schedule="*/15 * * * *")
def hello(): ...`;
const START = "infinitas worker app:app";

export function emptyTasks() {
  return h(
    "section",
    { class: "empty first" },
    h("h1", null, "No task yet"),
    h(
      "p",
      { class: "faint" },
      "A task appears here as soon as a worker that serves it starts. Choose one of three ways:",
    ),
    h("div", { class: "pair" }, snippet("Python: declare it", PYTHON), snippet("Then start a worker", START)),
    h(
      "div",
      { class: "pair" },
      snippet("curl: send a job of it", curl()),
      snippet("Node: a worker over WebSocket", node()),
    ),
  );
}

function curl() {
  const address = new URL("api/v1/tasks/hello/jobs", document.baseURI).href;
  return `curl ${address} \\\n  -H 'content-type: application/json' \\\n  -d '{"args": []}'`;
}

function node() {
  const address = new URL("api/v1/worker", document.baseURI).href.replace(/^http/, "ws");
  return `import { Worker } from "./worker.mjs"   // from workers/node

new Worker("${address}")
  .task("hello", async () => "hello")
  .start()`;
}

/** @param {string} title @param {string} text */
function snippet(title, text) {
  return h("figure", null, h("figcaption", null, title, copyButton(text)), h("pre", { tabindex: "0" }, text));
}

/** Absent where there is no clipboard: in pages over plain HTTP from another machine. @param {string} text */
export function copyButton(text) {
  const copy = () =>
    void act(async () => {
      await navigator.clipboard.writeText(text);
      return "Copied.";
    });
  return navigator.clipboard && h("button", { type: "button", class: "quiet", onclick: copy }, "Copy");
}

/** The command that helps a task without a worker. @param {import("../lib/types.js").TaskLine} task */
export function noWorker(task) {
  return [`No worker serves ${task.name}. Start one: `, h("code", null, "infinitas worker module:app")];
}
