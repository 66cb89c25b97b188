/** Log in with a token, once: the server answers with a cookie that scripts can't read. */

import { ApiError, send } from "../lib/api.js";
import { h, render } from "../lib/dom.js";

/**
 * @param {HTMLElement} root
 * @param {() => void} done
 * @param {string} why
 */
export function showLogin(root, done, why) {
  document.title = "Log in · Infinitas";
  let fault = "";
  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    const token = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("token")).trim();
    try {
      await send("POST", "login", { token });
      done();
    } catch (error) {
      fault = error instanceof ApiError ? error.message : String(error);
      show();
    }
  };
  const show = () =>
    render(
      root,
      h(
        "main",
        { class: "login" },
        h("h1", null, "Infinitas"),
        h(
          "form",
          { onsubmit: submit },
          h("label", { class: "field" }, h("span", null, "Access token"), tokenField()),
          h("button", { class: "primary", type: "submit" }, "Log in"),
          h("p", { class: "fault", role: "alert" }, fault),
        ),
        h("p", { class: "faint" }, why),
        h(
          "p",
          { class: "faint" },
          "A token is made with ",
          h("code", null, "infinitas token add NAME --scope read"),
          ".",
        ),
      ),
    );
  show();
}

function tokenField() {
  return h("input", {
    name: "token",
    type: "password",
    autocomplete: "current-password",
    required: true,
    autofocus: true,
  });
}
