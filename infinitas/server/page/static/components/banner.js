/** What is missing now, and why; the rest of the page goes on. */

import { h } from "../lib/dom.js";

/** @typedef {import("../lib/resource.js").Resource<any>} Resource */

/** @param {Resource[]} resources of the shown view */
export function banner(resources) {
  const failed = resources.filter((resource) => resource.error);
  const error = failed[0]?.error;
  if (!error) return null;
  if (error.status === 401)
    return lineOf(
      "The login has ended. ",
      h("button", { type: "button", onclick: () => location.reload() }, "Log in again"),
    );
  // The view itself names what does not exist.
  if (failed.every((resource) => resource.error?.status === 404)) return null;
  const kept = failed.some((resource) => resource.value !== undefined);
  const retry = () => {
    for (const resource of failed) resource.retry();
  };
  const text = `${error.message} ${kept ? "What is shown may be old. " : ""}The page tries again. `;
  return lineOf(text, error.status !== 403 && h("button", { type: "button", onclick: retry }, "Try now"));
}

/** @param {...import("../lib/dom.js").Parts} parts */
function lineOf(...parts) {
  return h("div", { class: "banner", role: "alert", key: "banner" }, parts);
}
