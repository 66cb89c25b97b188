/** Whether the page shows what is true now: live, catching up, or stale since when. */

import { h } from "../lib/dom.js";
import { clockTime, duration } from "../lib/format.js";

/** @param {import("../lib/feed.js").Feed} feed @param {import("../lib/resource.js").Resource<any>[]} resources */
export function liveBadge(feed, resources) {
  const kind = kindOf(feed, resources);
  const since = kind === "offline" && [
    h("span", null, ` since ${clockTime(feed.lastFrame)}`),
    // The seconds would be read out each second.
    h("span", { "aria-hidden": "true" }, ` (${duration(Math.max(0, Date.now() - feed.lastFrame) / 1000)})`),
  ];
  const name = { live: "live", behind: "catching up", connecting: "connecting", offline: "stale" }[kind];
  return h(
    "span",
    { class: `live is-${kind}`, role: "status" },
    h("span", { class: "dot", "aria-hidden": "true" }),
    h("span", null, name),
    since,
  );
}

/** @param {import("../lib/feed.js").Feed} feed @param {import("../lib/resource.js").Resource<any>[]} resources */
function kindOf(feed, resources) {
  if (feed.state !== "live") return feed.state;
  const behind = resources.some((each) => each.behind || (each.value === undefined && !each.error));
  return behind ? "behind" : "live";
}
