/** Log in with a token, once: the server answers with a cookie that scripts can't read. */

import { ApiError, get, send } from "../lib/api.js";
import { h, render } from "../lib/dom.js";
import { valuesOf } from "../components/question.js";

/**
 * @param {HTMLElement} root
 * @param {() => void} done
 * @param {string} why
 */
export function showLogin(root, done, why) {
  document.title = "Log in · Infinitas";
  let provider = "";
  const show = (/** @type {string} */ fault) => render(root, loginView(submit, fault, why, provider));
  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    try {
      await send("POST", "login", { token: valuesOf(event).token?.trim() });
      done();
    } catch (error) {
      show(faultOf(error));
    }
  };
  const fault = FAULTS[location.hash.slice(1)] ?? "";
  show(fault);
  void get("login/options").then(
    (options) => {
      provider = options.oidc ?? "";
      if (provider && !root.querySelector("input")?.value) show(fault);
    },
    () => undefined,
  );
  root.querySelector("input")?.focus();
}

/** @type {Record<string, string>} what the server appends to the page's address after a sign-in */
const FAULTS = {
  "sign-in-failed": "The sign-in has failed. Try again; the server's log has the reason.",
  "no-role": "You are signed in, but your roles have no rights here.",
};

/** The server's own text on a token is for programs: it names a header.
 * @param {unknown} error */
function faultOf(error) {
  if (error instanceof ApiError && error.status === 401) {
    return "The server does not know this token, or it has expired.";
  }
  return error instanceof Error ? error.message : String(error);
}

/** @param {(event: SubmitEvent) => void} submit @param {string} fault @param {string} why @param {string} provider */
function loginView(submit, fault, why, provider) {
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
    provider && h("a", { class: "button primary", href: "api/v1/login/oidc" }, `Sign in with ${provider}`),
    h(
      "form",
      { class: "question", onsubmit: submit },
      h("label", { class: "field" }, h("span", null, "Access token"), field),
      h("button", { class: "primary", type: "submit" }, "Log in"),
      fault && h("p", { class: "fault", role: "alert" }, fault),
    ),
    !fault && h("p", { class: "faint" }, why),
    h("p", { class: "faint" }, "Make a token: ", h("code", null, "infinitas token add NAME --scope read")),
  );
}
