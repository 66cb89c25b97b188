/** Log in with a token, once: the server answers with a cookie that scripts can't read. */

import { send } from "../lib/api.js";
import { h, render } from "../lib/dom.js";
import { valuesOf } from "../components/question.js";

/**
 * @param {HTMLElement} root
 * @param {() => void} done
 * @param {string} why
 */
export function showLogin(root, done, why) {
  document.title = "Log in · Infinitas";
  const show = (/** @type {string} */ fault) => render(root, loginView(submit, fault, why));
  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    try {
      await send("POST", "login", { token: valuesOf(event).token?.trim() });
      done();
    } catch (error) {
      show(error instanceof Error ? error.message : String(error));
    }
  };
  show("");
  root.querySelector("input")?.focus();
}

/** @param {(event: SubmitEvent) => void} submit @param {string} fault @param {string} why */
function loginView(submit, fault, why) {
  const field = h("input", {
    name: "token",
    type: "password",
    autocomplete: "current-password",
    required: true,
  });
  return h(
    "main",
    { class: "login" },
    h("h1", null, h("span", { class: "logo", "aria-hidden": "true" }, "∞"), " Infinitas"),
    h(
      "form",
      { class: "question", onsubmit: submit },
      h("label", { class: "field" }, h("span", null, "Access token"), field),
      h("button", { class: "primary", type: "submit" }, "Log in"),
      fault && h("p", { class: "fault", role: "alert" }, fault),
    ),
    h("p", { class: "faint" }, why),
    h("p", { class: "faint" }, "Make a token: ", h("code", null, "infinitas token add NAME --scope read")),
  );
}
