/** The frame around each view: navigation, the state of the connection, keys, and what a view may use. */

import { send } from "./lib/api.js";
import { clock } from "./lib/clock.js";
import { h, render } from "./lib/dom.js";
import { Feed } from "./lib/feed.js";
import { duration } from "./lib/format.js";
import { Keyboard } from "./lib/keyboard.js";
import { nextTheme, nextZone, prefs } from "./lib/prefs.js";
import { Resource } from "./lib/resource.js";
import { go, here, onMove, to } from "./lib/router.js";
import { showHelp, showPalette } from "./components/palette.js";
import { auditView } from "./views/audit.js";
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

/** @type {{ path: string, title: string, key: string, scope?: string }[]} */
const PLACES = [
  { path: "", title: "Now", key: "n" },
  { path: "tasks", title: "Tasks", key: "t" },
  { path: "jobs", title: "Jobs", key: "j" },
  { path: "workers", title: "Workers", key: "w" },
  { path: "queues", title: "Queues", key: "q" },
  { path: "audit", title: "Audit", key: "a" },
  { path: "tokens", title: "Tokens", key: "k", scope: "admin" },
];

/** @type {Record<string, (context: Context, path: string[], query: URLSearchParams) => View>} */
const VIEWS = {
  "": nowView,
  tasks: (context, path, query) => (path[1] ? taskView(context, path[1]) : tasksView(context, query)),
  jobs: (context, path, query) => (path[1] ? jobView(context, path[1]) : jobsView(context, query)),
  workers: workersView,
  queues: queuesView,
  audit: (context, _path, query) => auditView(context, query),
  tokens: tokensView,
};

/** What the shell gives to a view. */
export class Context {
  /** @type {Resource<any>[]} */
  resources = [];
  #shell;

  /** @param {Shell} shell */
  constructor(shell) {
    this.#shell = shell;
  }

  /** Whether the person's token has a scope. @param {string} scope */
  may(scope) {
    return this.#shell.token.scopes.some((each) => each === scope || each === "admin");
  }

  /**
   * Data that stays fresh while the view is shown.
   *
   * @template T
   * @param {string[]} topics
   * @param {() => Promise<T>} load
   * @param {{ everyMs?: number, apply?: (value: T, events: import("./lib/feed.js").FeedEvent[]) => boolean }} [options]
   * @returns {Resource<T>}
   */
  resource(topics, load, options) {
    const made = new Resource(this.#shell.feed, topics, load, () => this.redraw(), options);
    this.resources.push(made);
    return made;
  }

  redraw() {
    this.#shell.redraw();
  }

  close() {
    for (const resource of this.resources) resource.close();
  }
}

export class Shell {
  feed = new Feed(() => this.redraw());
  #root;
  #keyboard = new Keyboard();
  #context = new Context(this);
  /** @type {View} */
  #view = { title: "", render: () => null };
  #asked = false;
  #removeKeys = () => {};

  /** @param {HTMLElement} root @param {import("./lib/types.js").Token} token */
  constructor(root, token) {
    this.#root = root;
    this.token = token;
    this.#keyboard.add(this.#globalKeys());
    onMove(() => this.#show());
    clock.onSecond(() => this.feed.state !== "live" && this.redraw());
    this.#show();
  }

  /** Draw once before the next frame, however often it is called. */
  redraw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      render(this.#root, this.#frame());
    });
  }

  #show() {
    const { path, query } = here();
    this.#context.close();
    this.#removeKeys();
    this.#context = new Context(this);
    const make = VIEWS[path[0] ?? ""] ?? nowView;
    this.#view = make(this.#context, path, query);
    this.#removeKeys = this.#keyboard.add(this.#view.shortcuts ?? []);
    document.title = `${this.#view.title} · Infinitas`;
    scrollTo(0, 0);
    this.redraw();
  }

  #frame() {
    const first = here().path[0] ?? "";
    return [
      h("a", { class: "skip", href: "#main" }, "Skip to content"),
      h(
        "header",
        { class: "top" },
        h(
          "a",
          { class: "brand", href: to([]) },
          h("span", { class: "logo", "aria-hidden": "true" }, "∞"),
          "Infinitas",
        ),
        h(
          "nav",
          { "aria-label": "Views" },
          this.#places().map((place) => link(place, place.path === first)),
        ),
        h("div", { class: "tools" }, this.#liveBadge(), this.#buttons()),
      ),
      this.#banner(),
      h("main", { id: "main", tabindex: "-1", key: location.pathname }, this.#view.render()),
    ];
  }

  #places() {
    return PLACES.filter(({ scope }) => !scope || this.#context.may(scope));
  }

  #buttons() {
    const zone = prefs.zone === "utc" ? "UTC" : "local";
    const theme = { system: "◐", light: "☀", dark: "☾" }[prefs.theme];
    return [
      tool("⌕", "Search and commands (Ctrl K)", () => this.#palette()),
      tool(zone, `Times are ${zone}; switch`, () => (nextZone(), this.redraw())),
      tool(theme, `Colours: ${prefs.theme}; switch`, () => (nextTheme(), this.redraw())),
      tool("?", "Keys", () => showHelp(this.#keyboard.all())),
      this.token.name !== "this machine" && tool("⏻", `Log out ${this.token.name}`, () => void logOut()),
    ];
  }

  #liveBadge() {
    const { state, lastFrame } = this.feed;
    const loading = this.#context.resources.some(
      (resource) => resource.loading && resource.value === undefined,
    );
    const word =
      state === "live"
        ? loading
          ? "catching up"
          : "live"
        : `stale ${duration((Date.now() - lastFrame) / 1000)}`;
    return h(
      "span",
      { class: `live is-${state}`, role: "status" },
      h("span", { class: "dot", "aria-hidden": "true" }),
      word,
    );
  }

  #banner() {
    const error = this.#context.resources.find((resource) => resource.error)?.error;
    if (!error) return null;
    const kept = this.#context.resources.some((resource) => resource.value !== undefined);
    const rest = kept ? " What is shown is from before; the page tries again." : " The page tries again.";
    return h("div", { class: "banner", role: "alert" }, error.message, rest);
  }

  #palette() {
    void showPalette(
      this.#places().map(({ path, title }) => ({ title, run: () => go(to(path ? [path] : [])) })),
    );
  }

  /** @returns {Shortcut[]} */
  #globalKeys() {
    return [
      ...PLACES.map(({ path, title, key, scope }) => ({
        keys: `g ${key}`,
        what: `Go to ${title}`,
        run: () => (!scope || this.#context.may(scope)) && go(to(path ? [path] : [])),
      })),
      { keys: "ctrl+k", what: "Search and commands", run: () => this.#palette() },
      { keys: "/", what: "Search", run: focusSearch },
      { keys: "?", what: "Keys", run: () => showHelp(this.#keyboard.all()) },
    ];
  }
}

function focusSearch() {
  const field = document.querySelector("input[type=search]");
  if (field instanceof HTMLElement) field.focus();
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
