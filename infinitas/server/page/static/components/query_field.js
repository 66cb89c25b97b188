/** The query of the jobs list, with suggestions for the part at its end. */

import { get, getSchedules, getTasks } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { FIELDS, STATES, term } from "../lib/query.js";
import { go, to } from "../lib/router.js";

const MOST = 8;
const SPANS = ["1h", "24h", "7d"];

/** @type {Record<string, () => Promise<string[]>>} */
const VALUES = {
  state: async () => STATES,
  since: async () => SPANS,
  until: async () => SPANS,
  task: () => namesOf(getTasks(), "name"),
  worker: () => namesOf(get("workers"), "id"),
  schedule: () => namesOf(getSchedules(), "key"),
};

/** @param {Promise<any[]>} loaded @param {string} field @returns {Promise<string[]>} */
async function namesOf(loaded, field) {
  const found = await loaded.catch(() => []);
  return found.map((each) => String(each[field]));
}

/** @param {string} text of the address */
export function queryField(text) {
  return h("inf-query", { ".text": text, class: "query", role: "search" });
}

class QueryField extends HTMLElement {
  #form = document.createElement("form");
  #field = document.createElement("input");
  #list = document.createElement("ul");
  /** @type {string[]} */
  #found = [];
  #chosen = -1;
  #asked = 0;

  connectedCallback() {
    if (this.#form.parentNode) return;
    Object.assign(this.#field, { type: "search", spellcheck: false, autocomplete: "off" });
    this.#field.placeholder = "task:backup state:failed since:24h";
    const roles = {
      role: "combobox",
      "aria-label": "Query",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": "suggestions",
    };
    for (const [name, value] of Object.entries(roles)) this.#field.setAttribute(name, value);
    this.#list.id = "suggestions";
    this.#list.setAttribute("role", "listbox");
    this.#list.setAttribute("aria-label", "Suggestions");
    this.#list.hidden = true;
    this.#form.append(this.#field);
    this.append(this.#form, this.#list);
    this.#form.onsubmit = (event) => this.#submit(event);
    this.#field.oninput = () => void this.#suggest();
    this.#field.onfocus = () => void this.#suggest();
    this.#field.onblur = () => this.#show([]);
    this.#field.onkeydown = (event) => this.#key(event);
  }

  /** @param {string} text */
  set text(text) {
    this.#field.value = text;
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    this.#show([]);
    go(to(["jobs"], { q: this.#field.value.trim() }));
  }

  /** The part that is being written. */
  #lastPart() {
    return /(?:[a-z]+:)?(?:"[^"]*|[^\s"]*)$/.exec(this.#field.value)?.[0] ?? "";
  }

  async #suggest() {
    const number = ++this.#asked;
    const [field = "", written] = splitPart(this.#lastPart());
    if (written === undefined)
      return this.#show(FIELDS.filter((each) => each.startsWith(field)).map((each) => `${each}:`));
    const values = (await VALUES[field]?.()) ?? [];
    if (number !== this.#asked) return undefined;
    const fitting = values.filter(
      (value) => value !== written && value.toLowerCase().includes(written.toLowerCase()),
    );
    return this.#show(fitting.map((value) => term(field, value)));
  }

  /** @param {string[]} found */
  #show(found) {
    const focused = document.activeElement === this.#field;
    this.#found = focused ? found.slice(0, MOST) : [];
    this.#chosen = -1;
    this.#draw();
  }

  #draw() {
    this.#list.hidden = this.#found.length === 0;
    this.#field.setAttribute("aria-expanded", String(!this.#list.hidden));
    this.#list.replaceChildren(...this.#found.map((text, n) => this.#option(text, n)));
    if (this.#chosen >= 0) this.#field.setAttribute("aria-activedescendant", `suggestion-${this.#chosen}`);
    else this.#field.removeAttribute("aria-activedescendant");
  }

  /** @param {string} text @param {number} n */
  #option(text, n) {
    const option = document.createElement("li");
    option.id = `suggestion-${n}`;
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", String(n === this.#chosen));
    option.textContent = text;
    // The press must not take the focus from the field.
    option.onmousedown = (event) => {
      event.preventDefault();
      this.#take(text);
    };
    return option;
  }

  /** @param {string} text */
  #take(text) {
    const value = this.#field.value;
    const whole = !text.endsWith(":");
    this.#field.value = `${value.slice(0, value.length - this.#lastPart().length)}${text}${whole ? " " : ""}`;
    void this.#suggest();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const steps = /** @type {Record<string, number>} */ ({ ArrowDown: 1, ArrowUp: -1 });
    const step = steps[event.key];
    const text = this.#found[this.#chosen];
    if (step && this.#found.length > 0) {
      this.#chosen = (this.#chosen + step + this.#found.length) % this.#found.length;
      this.#draw();
    } else if ((event.key === "Enter" || event.key === "Tab") && text) this.#take(text);
    else if (event.key === "Escape" && this.#found.length > 0) this.#show([]);
    else return;
    event.preventDefault();
  }
}

/** @param {string} part @returns {[string, string?]} field, and the value if there is a colon */
function splitPart(part) {
  const found = /^([a-z]+):"?(.*)$/s.exec(part);
  return found ? [found[1] ?? "", found[2] ?? ""] : [part];
}

customElements.define("inf-query", QueryField);
