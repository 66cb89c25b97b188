/** Tables: a head of column names, rows with a key; narrow windows show each row as a card. */

import { h } from "../lib/dom.js";

/** @typedef {import("../lib/dom.js").Parts} Parts */
/** @typedef {import("../lib/dom.js").Props} Props */

/** Stands where a cell has nothing; cards of narrow windows leave such cells out. */
export const NONE = h("span", { class: "faint none" }, "–");

/** @param {string[]} columns @param {Parts} rows @param {Props} [props] */
export function table(columns, rows, props = {}) {
  const head = columns.map((name) =>
    h("th", { scope: "col" }, name || h("span", { class: "unseen" }, "Actions")),
  );
  return h("table", props, h("thead", null, h("tr", null, head)), h("tbody", null, rows));
}

/** @param {string} name of the column, which cards show @param {Parts} value @param {string} [kind] */
export function cell(name, value, kind) {
  return h("td", { "data-name": name, class: kind }, value);
}

/** @param {string} key @param {VNode[]} cells @param {Props} [props] */
export function row(key, cells, props = {}) {
  return h("tr", { ...props, key }, cells);
}

/** @typedef {import("../lib/dom.js").VNode | false | null} VNode */
