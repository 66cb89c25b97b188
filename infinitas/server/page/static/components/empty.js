/** What to do where there is nothing yet. */

import { h } from "../lib/dom.js";
import { act } from "./notices.js";

const PYTHON = `from infinitas import Infinitas

app = Infinitas()

@app.task(schedule="*/15 * * * *")
def hello(): ...

# infinitas worker app:app`;

/** @returns {string} */
function curl() {
  const address = new URL("api/v1/tasks/hello/jobs", document.baseURI).href;
  return `curl ${address} -H 'content-type: application/json' -d '{"args": []}'`;
}

const NODE = `import { Worker } from "./worker.mjs"   // workers/node

new Worker("ws://127.0.0.1:3000/api/v1/worker")
  .task("hello", async (name) => \`hello \${name}\`)
  .start()`;

export function emptyTasks() {
  return h(
    "section",
    { class: "empty" },
    h("h1", null, "No task yet"),
    h("p", null, "A task appears here as soon as a worker that serves it starts."),
    snippet("Python", PYTHON),
    snippet("Node", NODE),
    snippet("Then send a job", curl()),
  );
}

/** @param {string} title @param {string} text */
function snippet(title, text) {
  const copy = () =>
    void act(async () => {
      await navigator.clipboard.writeText(text);
      return "Copied.";
    });
  return h(
    "figure",
    null,
    h(
      "figcaption",
      null,
      title,
      navigator.clipboard && h("button", { type: "button", class: "quiet", onclick: copy }, "Copy"),
    ),
    h("pre", null, text),
  );
}

/** The command that helps a task without a worker. @param {import("../lib/types.js").Task} task */
export function noWorker(task) {
  return [`start one that serves ${task.name}: `, h("code", null, "infinitas worker module:app")];
}
