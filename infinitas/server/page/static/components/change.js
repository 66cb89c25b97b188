/** What an entry of the audit has changed. */

import { h } from "../lib/dom.js";
import { formatJson } from "../lib/json.js";
import { NONE } from "./table.js";

/** @typedef {import("../lib/types.js").AuditEntry} Entry */

const MOST_CHARS = 80;

/** Each changed field, before → after; of what is new, all fields in a row. @param {Entry} entry */
export function changeOf({ changes }) {
  const found = Object.entries(changes ?? {});
  if (found.length === 0) return NONE;
  return found.map(([name, [before, after]]) =>
    h(
      "div",
      { key: name, class: before === null ? "change is-new" : "change" },
      h("span", { class: "faint" }, `${name.replaceAll("_", " ")} `),
      before !== null && h("del", null, short(before)),
      " ",
      after !== null && h("ins", null, short(after)),
    ),
  );
}

/** @param {unknown} value */
function short(value) {
  const text = plain(value);
  return text.length > MOST_CHARS ? `${text.slice(0, MOST_CHARS)} …` : text;
}

/** @param {unknown} value */
function plain(value) {
  if (typeof value === "string") return value;
  if (value === null || typeof value !== "object" || Array.isArray(value)) return formatJson(value, 0);
  const given = Object.entries(value).filter(([, each]) => each !== null);
  return given
    .map(([name, each]) => `${name} ${typeof each === "string" ? each : formatJson(each, 0)}`)
    .join(", ");
}
