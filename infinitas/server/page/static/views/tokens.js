/** Tokens: list, make and revoke access tokens. For administrators. */

import { get, part, send } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { copyButton } from "../components/empty.js";
import { act } from "../components/notices.js";
import { ask } from "../components/question.js";
import { waiting } from "../components/section.js";
import { cell, row, table } from "../components/table.js";
import { ago, until } from "../components/time.js";

/** @typedef {import("../lib/types.js").StoredToken} StoredToken */
/** @typedef {import("../context.js").Context} Context */

/** @typedef {{ id: string, name: string, token: string | null, origin: string, created: string, expires: string }} Login */

const COLUMNS = ["Name", "Scopes", "Made", "Expires", ""];
const LOGIN_COLUMNS = ["Login", "From", "Since", "Ends", ""];
const DAY_S = 86_400;

/** @param {Context} context @returns {import("../shell.js").View} */
export function tokensView(context) {
  const load = () => /** @type {Promise<StoredToken[]>} */ (get("tokens"));
  const tokens = context.resource([], load, { pollMs: 15_000 });
  const loadLogins = () => /** @type {Promise<Login[]>} */ (get("logins"));
  const logins = context.resource([], loadLogins, { pollMs: 15_000 });
  let secret = "";
  const make = async () => {
    const first = tokens.value?.length === 0;
    const made = await makeToken();
    if (!made) return;
    secret = made;
    // From the first token on, this machine needs one as well.
    if (first) await act(() => logIn(made));
    context.refresh();
    context.redraw();
  };
  return {
    title: "Tokens",
    render: () => [
      h(
        "div",
        { class: "bar" },
        h("h1", null, "Tokens"),
        h("button", { type: "button", class: "primary", onclick: () => void make() }, "New token"),
      ),
      secret &&
        h(
          "p",
          { class: "why", role: "status" },
          "Copy it now, it is shown once: ",
          h("code", { class: "secret" }, secret),
          " ",
          copyButton(secret),
        ),
      !tokens.value && waiting(tokens),
      tokens.value?.length === 0 &&
        h("p", { class: "empty" }, "No token: the server answers requests of this machine alone."),
      (tokens.value?.length ?? 0) > 0 &&
        table(
          COLUMNS,
          (tokens.value ?? []).map((token) => tokenRow(context, token)),
        ),
      (logins.value?.length ?? 0) > 0 && h("h2", null, "Logins"),
      (logins.value?.length ?? 0) > 0 &&
        table(
          LOGIN_COLUMNS,
          (logins.value ?? []).map((login) => loginRow(context, login)),
        ),
    ],
  };
}

/** @param {string} token */
async function logIn(token) {
  await send("POST", "login", { token });
  return "It is the first token: from now on every request needs one. This page is logged in with it.";
}

/** @returns {Promise<string | null>} the text of the token */
async function makeToken() {
  const answer = await ask({
    title: "New token",
    button: "Make it",
    fields: [
      { name: "name", label: "Name", required: true, hint: "of the person or program that uses it" },
      {
        name: "scopes",
        label: "Scopes",
        value: "read",
        required: true,
        hint: "read, jobs, tasks, worker, worker:GLOB, admin",
      },
      {
        name: "days",
        label: "Days until it expires",
        type: "number",
        value: "90",
        hint: "empty: it does not expire",
      },
    ],
  });
  if (!answer) return null;
  /** @type {string | null} */
  let text = null;
  await act(async () => {
    const scopes = (answer.scopes ?? "").split(/[\s,]+/).filter(Boolean);
    const days = answer.days ? Number(answer.days) * DAY_S : null;
    const made = await send("POST", "tokens", { name: answer.name, scopes, expires_in: days });
    text = made.token;
    return made.warning ?? `Made the token ${answer.name}.`;
  });
  return text;
}

/** @param {Context} context @param {StoredToken} token */
function tokenRow(context, token) {
  const revoke = () => void revokeToken(context, token);
  return row(token.id, [
    h("td", { class: "name" }, h("b", null, token.name), h("small", { class: "faint id" }, token.id)),
    cell("Scopes", token.scopes.join(", ")),
    cell("Made", ago(token.created)),
    cell("Expires", until(token.expires, "never")),
    h(
      "td",
      { class: "actions" },
      h(
        "button",
        { type: "button", class: "danger", "aria-label": `Revoke ${token.name}`, onclick: revoke },
        "Revoke",
      ),
    ),
  ]);
}

/** @param {Context} context @param {Login} login */
function loginRow(context, login) {
  const end = () =>
    void act(async () => {
      await send("DELETE", `logins/${part(login.id)}`);
      context.refresh();
      return `Ended the login of ${login.name}.`;
    });
  const by = login.token ? `with the token ${login.token}` : "through the provider";
  return row(login.id, [
    h("td", { class: "name" }, h("b", null, login.name), h("small", { class: "faint" }, by)),
    cell("From", login.origin),
    cell("Since", ago(login.created)),
    cell("Ends", until(login.expires, "never")),
    h(
      "td",
      { class: "actions" },
      h("button", { type: "button", "aria-label": `End ${login.name}`, onclick: end }, "End"),
    ),
  ]);
}

/** @param {Context} context @param {StoredToken} token */
async function revokeToken(context, token) {
  const answer = await ask({
    title: `Revoke ${token.name}`,
    text: "Its connections and logins end within seconds.",
    button: "Revoke",
    danger: true,
  });
  if (!answer) return;
  await act(async () => {
    await send("DELETE", `tokens/${part(token.id)}`);
    context.refresh();
    return `Revoked the token ${token.name}.`;
  });
}
