/** Questions before an action: a form in a dialog. */

import { h, render } from "../lib/dom.js";
import { openDialog } from "./dialog.js";

/** @typedef {import("../lib/dom.js").Parts} Parts */
/**
 * @typedef {{ name: string, label: string, value?: string, type?: string, required?: boolean, hint?: string,
 *   rows?: number, options?: string[], step?: string }} Field
 */
/**
 * @typedef {{ title: string, text?: Parts, button: string, fields?: Field[], danger?: boolean,
 *   check?: (values: Record<string, string>) => string | null }} Question `check` returns what is wrong
 */

/** @param {Question} question @returns {Promise<Record<string, string> | null>} null if it was closed */
export function ask(question) {
  const dialog = openDialog(question.title);
  return new Promise((resolve) => {
    /** @param {Record<string, string> | null} answer */
    const finish = (answer) => {
      resolve(answer);
      dialog.onclose = () => dialog.remove();
      // By `close`, which gives the focus back to where it was.
      dialog.close();
    };
    dialog.onclose = () => {
      dialog.remove();
      resolve(null);
    };
    const draw = (/** @type {string} */ fault) =>
      render(dialog, questionView(question, fault, submit, dialog));
    /** @param {SubmitEvent} event */
    const submit = (event) => {
      event.preventDefault();
      const values = valuesOf(event);
      const fault = question.check?.(values) ?? "";
      if (fault) draw(fault);
      else finish(values);
    };
    draw("");
  });
}

/** Values of the fields of a form. @param {SubmitEvent} event @returns {Record<string, string>} */
export function valuesOf(event) {
  const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
  return Object.fromEntries([...form].map(([name, value]) => [name, String(value)]));
}

/** @param {Question} question @param {string} fault @param {(event: SubmitEvent) => void} submit
 * @param {HTMLDialogElement} dialog */
function questionView({ title, text, button, fields = [], danger = false }, fault, submit, dialog) {
  return h(
    "form",
    { class: "question", onsubmit: submit },
    h("h2", null, title),
    text && h("div", { class: "faint" }, text),
    fields.map(fieldOf),
    fault && h("p", { class: "fault", role: "alert" }, fault),
    h(
      "div",
      { class: "buttons" },
      h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Close"),
      h("button", { type: "submit", class: danger ? "danger filled" : "primary" }, button),
    ),
  );
}

/** @param {Field} field */
export function fieldOf({ label, hint, ...field }) {
  return h(
    "label",
    { class: "field", key: field.name },
    h("span", null, label),
    inputOf(field),
    hint && h("small", { class: "faint" }, hint),
  );
}

/** @param {Omit<Field, "label" | "hint">} field */
function inputOf({ name, value = "", type = "text", required = false, rows, options, step }) {
  const given = { name, required, autocomplete: "off", spellcheck: "false" };
  if (rows) return h("textarea", { ...given, rows, ".value": value });
  if (!options) return h("input", { ...given, type, step, ".value": value });
  return h(
    "select",
    given,
    options.map((each) => h("option", { value: each, selected: each === value }, each)),
  );
}
