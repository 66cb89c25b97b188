/** The frame around each view: navigation, the state of the connection, and keys. */

import { send } from "./lib/api.js";
import { clock } from "./lib/clock.js";
import { h, render } from "./lib/dom.js";
import { Feed } from "./lib/feed.js";
import { Keyboard } from "./lib/keyboard.js";
import { nextTheme, nextZone, prefs, setScheduleZone } from "./lib/prefs.js";
import { go, here, onMove, to } from "./lib/router.js";
import { Context } from "./context.js";
import { runTask } from "./components/actions.js";
import { banner } from "./components/banner.js";
import { showHelp } from "./components/help.js";
import { liveBadge } from "./components/live_badge.js";
import { showPalette } from "./components/palette.js";
import { auditView } from "./views/audit.js";
import { channelsView } from "./views/channels.js";
import { incidentsView } from "./views/incidents.js";
import { jobView } from "./views/job.js";
import { jobsView } from "./views/jobs.js";
import { nowView } from "./views/now.js";
import { queuesView } from "./views/queues.js";
import { taskView } from "./views/task.js";
import { tasksView } from "./views/tasks.js";
import { tokensView } from "./views/tokens.js";
import { workersView } from "./views/workers.js";

/** @typedef {import("./lib/dom.js").Parts} Parts */
/** @typedef {import("./lib/keyboard.js").Shortcut} Shortcut */
/** @typedef {{ title: string, render: () => Parts, shortcuts?: Shortcut[] }} View */
/** @typedef {{ path: string, title: string, key: string, scope?: string }} Place */

const PLACES = /** @type {Place[]} */ ([
  { path: "", title: "Now", key: "n" },
  { path: "tasks", title: "Tasks", key: "t" },
  { path: "jobs", title: "Jobs", key: "j" },
  { path: "incidents", title: "Incidents", key: "i" },
  { path: "workers", title: "Workers", key: "w" },
  { path: "queues", title: "Queues", key: "q" },
  { path: "audit", title: "Audit", key: "a" },
  { path: "channels", title: "Channels", key: "c", scope: "admin" },
  { path: "tokens", title: "Tokens", key: "k", scope: "admin" },
]);

/** @type {Record<string, (context: Context, path: string[], query: URLSearchParams) => View>} */
const VIEWS = {
  "": nowView,
  tasks: (context, path, query) => (path[1] ? taskView(context, path[1]) : tasksView(context, query)),
  jobs: (context, path, query) => (path[1] ? jobView(context, path[1]) : jobsView(context, query)),
  workers: workersView,
  queues: queuesView,
  incidents: incidentsView,
  channels: channelsView,
  audit: (context, _path, query) => auditView(context, query),
  tokens: tokensView,
};

export class Shell {
  feed = new Feed(() => this.redraw());
  #root;
  #keyboard = new Keyboard();
  #context;
  /** @type {View} */
  #view = { title: "", render: () => null };
  #asked = false;
  #removeKeys = () => {};

  /** @param {HTMLElement} root @param {import("./lib/types.js").Token} token */
  constructor(root, token) {
    this.#root = root;
    this.token = token;
    this.#context = new Context(this);
    this.#keyboard.add(this.#globalKeys());
    onMove(() => this.#show());
    clock.onSecond(() => this.feed.state !== "live" && this.redraw());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) for (const resource of this.#context.resources) resource.wake();
    });
    this.#show();
  }

  /** Draw once before the next frame, however often it is called. */
  redraw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => this.#draw());
    // A hidden page gets no frames, and its title and badge may still be read.
    if (document.hidden) setTimeout(() => this.#draw(), 1_000);
  }

  #draw() {
    if (!this.#asked) return;
    this.#asked = false;
    render(this.#root, this.#frame());
  }

  #show() {
    const { path, query } = here();
    const moved = this.#view.title !== "";
    this.#context.close();
    this.#removeKeys();
    setScheduleZone(undefined);
    this.#context = new Context(this);
    const make = VIEWS[path[0] ?? ""] ?? nowView;
    this.#view = make(this.#context, path, query);
    this.#removeKeys = this.#keyboard.add(this.#view.shortcuts ?? []);
    document.title = `${this.#view.title} · Infinitas`;
    this.redraw();
    requestAnimationFrame(() => {
      if (moved) focusMain();
      showPlace();
    });
  }

  #frame() {
    const first = here().path[0] ?? "";
    const places = this.#places().map((place) => link(place, place.path === first));
    return [
      h("a", { class: "skip", href: "#main", onclick: skip }, "Skip to content"),
      h(
        "header",
        { class: "top" },
        h(
          "a",
          { class: "brand", href: to([]), "aria-label": "Infinitas" },
          h("span", { class: "logo", "aria-hidden": "true" }, "∞"),
          h("span", null, "Infinitas"),
        ),
        h("nav", { "aria-label": "Views" }, places),
        h("div", { class: "tools" }, liveBadge(this.feed, this.#context.resources), this.#buttons()),
      ),
      banner(this.#context.resources),
      h("main", { id: "main", tabindex: "-1", key: location.pathname }, this.#view.render()),
    ];
  }

  #places() {
    return PLACES.filter(({ scope }) => !scope || this.#context.may(scope));
  }

  #buttons() {
    const theme = { system: "◐", light: "☀", dark: "☾" }[prefs.theme];
    const { name } = this.token;
    return [
      h(
        "button",
        {
          type: "button",
          class: "find",
          "aria-label": "Search and commands (Ctrl K)",
          onclick: () => this.#palette(),
        },
        h("span", null, "Search"),
        h("kbd", null, "Ctrl K"),
      ),
      tool(prefs.zone, `Times: ${prefs.zone}; switch`, () => this.#switch(nextZone)),
      tool(theme, `Colours: ${prefs.theme}; switch`, () => this.#switch(nextTheme)),
      tool("?", "Keys", () => this.#help()),
      name !== "this machine" && tool("↪", `Log out ${name}`, () => void logOut()),
    ];
  }

  /** @param {() => void} change */
  #switch(change) {
    change();
    this.redraw();
  }

  #help() {
    showHelp([...this.#keyboard.all(), { keys: "Esc", what: "Close a dialog", run: () => {} }]);
  }

  #palette() {
    const commands = [
      ...this.#places().map(({ path, title }) => ({ title, hint: "view", run: () => goTo(path) })),
      { title: "Switch the colours", run: () => this.#switch(nextTheme) },
      { title: "Switch the time zone", run: () => this.#switch(nextZone) },
      { title: "Keys", run: () => this.#help() },
    ];
    const context = this.#context;
    showPalette(commands, context.may("jobs") ? (task) => void runTask(context, task) : undefined);
  }

  /** @returns {Shortcut[]} */
  #globalKeys() {
    return [
      ...this.#places().map(({ path, title, key }) => ({
        keys: `g ${key}`,
        what: `Go to ${title}`,
        run: () => goTo(path),
      })),
      { keys: "ctrl+k", what: "Search and commands", run: () => this.#palette() },
      { keys: "/", what: "Search in this view", run: focusSearch },
      { keys: "j", what: "Next row", run: () => focusRow(1) },
      { keys: "k", what: "Row before", run: () => focusRow(-1) },
      { keys: "z", what: "Switch the time zone", run: () => this.#switch(nextZone) },
      { keys: "?", what: "Keys", run: () => this.#help() },
    ];
  }
}

/** @param {string} path */
function goTo(path) {
  go(to(path ? [path] : []));
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault();
  focusMain();
}

function focusMain() {
  if (location.hash) return;
  document.getElementById("main")?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** On a phone the navigation is wider than the window. */
function showPlace() {
  document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
}

function focusSearch() {
  const field = document.querySelector("input[type=search]");
  if (field instanceof HTMLElement) field.focus();
}

/** @param {number} step */
function focusRow(step) {
  const rows = [
    .../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("main td.name a, main li .name")),
  ];
  const now = rows.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  rows[now < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, now + step))]?.focus();
}

/** @param {{ path: string, title: string }} place @param {boolean} current */
function link({ path, title }, current) {
  return h("a", { href: to(path ? [path] : []), "aria-current": current && "page" }, title);
}

/** @param {string} text @param {string} title @param {() => void} run */
function tool(text, title, run) {
  return h("button", { type: "button", class: "quiet", title, "aria-label": title, onclick: run }, text);
}

async function logOut() {
  await send("DELETE", "login");
  location.reload();
}
