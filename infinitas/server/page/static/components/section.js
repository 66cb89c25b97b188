/** Parts of a view: a section with a heading, a bar of controls, facts with a name. */

import { h } from "../lib/dom.js";

/** @typedef {import("../lib/dom.js").Parts} Parts */

/** @param {string} title @param {Parts} body @param {Parts} [beside] controls beside the heading */
export function section(title, body, beside) {
  const heading = h("h2", null, title);
  return h(
    "section",
    { key: title, "aria-label": title },
    beside ? h("div", { class: "bar" }, heading, beside) : heading,
    body,
  );
}

/** Facts in a row of large figures. @param {[string, Parts, string?][]} facts name, value, note */
export function figures(facts) {
  return h(
    "dl",
    { class: "numbers" },
    facts.map(([name, value, note]) =>
      h("div", { key: name }, h("dt", null, name), h("dd", null, value, note && h("small", null, note))),
    ),
  );
}

/** Facts below each other; those without a value are left out. @param {[string, Parts][]} facts */
export function facts(facts) {
  const given = facts.filter(
    ([, value]) => value !== null && value !== undefined && value !== "" && value !== false,
  );
  return h(
    "dl",
    { class: "details" },
    given.map(([name, value]) => [h("dt", null, name), h("dd", null, value)]),
  );
}

/** @param {import("../lib/resource.js").Resource<unknown>} resource shown until it has a value */
export function waiting(resource) {
  if (resource.error) return h("p", { class: "fault", role: "alert" }, resource.error.message);
  return h("p", { class: "faint waiting", role: "status" }, "Loading …");
}
