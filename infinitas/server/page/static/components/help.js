/** The list of keys. */

import { h, render } from "../lib/dom.js";
import { openDialog } from "./dialog.js";

/** @typedef {import("../lib/keyboard.js").Shortcut} Shortcut */

/** @param {Shortcut[]} shortcuts */
export function showHelp(shortcuts) {
  const dialog = openDialog("Keys", "help");
  const keys = shortcuts.map(({ keys, what }) => [h("dt", null, h("kbd", null, keys)), h("dd", null, what)]);
  const close = h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Close");
  render(
    dialog,
    h(
      "div",
      null,
      h("h2", null, "Keys"),
      h("dl", { class: "keys" }, keys),
      h("div", { class: "buttons" }, close),
    ),
  );
}
