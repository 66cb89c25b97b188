/** Tokens: list, make and remove access tokens. For administrators. */

import { get, part, send } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { refresh } from "../components/actions.js";
import { act, ask } from "../components/notices.js";
import { ago } from "../components/time.js";

/** @typedef {{ id: string, name: string, scopes: string[], created: string, expires: string | null }} StoredToken */
/** @typedef {import("../shell.js").Context} Context */

/** @param {Context} context @returns {import("../shell.js").View} */
export function tokensView(context) {
  const tokens = context.resource([], () => /** @type {Promise<StoredToken[]>} */ (get("tokens")));
  let secret = "";
  const make = async () => {
    const answer = await ask({
      title: "New token",
      button: "Make it",
      fields: [
        { name: "name", label: "Name", required: true, hint: "of the person or program that uses it" },
        {
          name: "scopes",
          label: "Scopes",
          value: "read",
          hint: "read, jobs, tasks, worker, worker:GLOB, admin",
        },
        { name: "days", label: "Days until it expires", type: "number", value: "90" },
      ],
    });
    if (!answer) return;
    await act(async () => {
      const scopes = (answer.scopes ?? "").split(/[\s,]+/).filter(Boolean);
      const made = await send("POST", "tokens", {
        name: answer.name,
        scopes,
        expires_in: answer.days ? Number(answer.days) * 86_400 : null,
      });
      secret = made.token;
      refresh(context);
      return `Made the token ${answer.name}.`;
    });
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
        h("p", { class: "why", role: "status" }, "Copy it now, it is shown once: ", h("code", null, secret)),
      tokens.value?.length === 0 &&
        h("p", { class: "empty" }, "No token: the server answers requests of this machine alone."),
      (tokens.value?.length ?? 0) > 0 &&
        h(
          "table",
          null,
          h(
            "thead",
            null,
            h(
              "tr",
              null,
              ["Name", "Scopes", "Made", "Expires", ""].map((name) => h("th", { scope: "col" }, name)),
            ),
          ),
          h(
            "tbody",
            null,
            (tokens.value ?? []).map((token) => row(context, token)),
          ),
        ),
    ],
  };
}

/** @param {Context} context @param {StoredToken} token */
function row(context, token) {
  return h(
    "tr",
    { key: token.id },
    h("td", { class: "name" }, token.name),
    h("td", { "data-name": "Scopes" }, token.scopes.join(", ")),
    h("td", { "data-name": "Made" }, ago(token.created)),
    h("td", { "data-name": "Expires" }, ago(token.expires, "never")),
    h(
      "td",
      { class: "actions" },
      h("button", { type: "button", class: "danger", onclick: () => void remove(context, token) }, "Remove"),
    ),
  );
}

/** @param {Context} context @param {StoredToken} token */
async function remove(context, token) {
  const answer = await ask({
    title: `Remove ${token.name}`,
    text: "Its connections and logins end within seconds.",
    button: "Remove",
    danger: true,
  });
  if (!answer) return;
  await act(async () => {
    await send("DELETE", `tokens/${part(token.id)}`);
    refresh(context);
    return `Removed the token ${token.name}.`;
  });
}
