/** Channels: where messages about incidents go, how they fare, and a test of each. For administrators. */

import { get, part, send } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { count, duration } from "../lib/format.js";
import { to } from "../lib/router.js";
import { button } from "../components/actions.js";
import { EndlessList } from "../components/endless.js";
import { moreButton } from "../components/more.js";
import { act } from "../components/notices.js";
import { section, waiting } from "../components/section.js";
import { badge } from "../components/state.js";
import { NONE, cell, row, table } from "../components/table.js";
import { ago, until } from "../components/time.js";

/** @typedef {import("../context.js").Context} Context */
/** @typedef {import("../lib/types.js").Channel} Channel */
/** @typedef {import("../lib/types.js").Delivery} Delivery */
/** @typedef {import("../lib/types.js").DeliveryPage} DeliveryPage */

const COLUMNS = ["State", "Channel", "Goes to", "Last sent", "Waiting", "Error", ""];
const DELIVERIES = ["Outcome", "Message", "When", "Try", "Took", "Answer", ""];
const OUTCOMES = /** @type {Record<string, string>} */ ({ sent: "succeeded", failed: "retrying" });

/** @param {Context} context @param {string[]} path with the name of a channel, or without
 * @returns {import("../shell.js").View} */
export function channelsView(context, path) {
  const load = () => /** @type {Promise<Channel[]>} */ (get("channels"));
  const channels = context.resource([], load, { pollMs: 5_000 });
  const name = path[1];
  const deliveries = name ? deliveriesOf(context, name) : null;
  return {
    title: name ? `Channel ${name}` : "Channels",
    render: () => {
      const shown = channels.value?.filter((each) => !name || each.name === name) ?? [];
      return [
        h("h1", null, name ? `Channel ${name}` : "Channels"),
        !channels.value && waiting(channels),
        channels.value?.length === 0 &&
          h(
            "p",
            { class: "empty" },
            "No channel yet: make one with ",
            h("code", null, "infinitas channel add"),
            " or in infinitas.toml.",
          ),
        shown.length > 0 &&
          table(
            COLUMNS,
            shown.map((each) => channelRow(context, each)),
          ),
        deliveries && deliveryTable(context, deliveries),
      ];
    },
  };
}

/** @param {Context} context @param {string} name */
function deliveriesOf(context, name) {
  /** @param {string | number} [before] @returns {Promise<DeliveryPage>} */
  const load = (before) => get(`channels/${part(name)}/deliveries`, { before });
  return new EndlessList(context, [], load, (/** @type {Delivery} */ { id }) => String(id), {
    pollMs: 5_000,
  });
}

/** @param {Context} context @param {Channel} channel */
function channelRow(context, channel) {
  const { name, type, target, state, failures, waiting: queued, last_error } = channel;
  const kind = { ok: "ok", failing: "failing", new: "new" }[state] ?? "new";
  const word = failures > 0 ? `failed ${count(failures)}×` : state;
  return row(name, [
    cell("State", badge(kind, word), "lead"),
    h(
      "td",
      { class: "name" },
      h("a", { href: to(["channels", name]) }, name),
      h("small", { class: "faint" }, type),
    ),
    cell("Goes to", target, "text"),
    cell("Last sent", ago(channel.last_sent_at), "time"),
    cell("Waiting", count(queued), "time"),
    cell("Error", failures > 0 && last_error ? h("span", { class: "fault" }, last_error) : NONE, "text"),
    h(
      "td",
      { class: "actions" },
      button("Test", () => void test(context, name), "", name),
    ),
  ]);
}

/** @param {Context} context @param {string} name */
async function test(context, name) {
  await act(async () => {
    await send("POST", `channels/${part(name)}/test`);
    context.refresh();
    return `A test message to ${name} is queued; its deliveries show how it fares.`;
  });
}

/** @param {Context} context @param {EndlessList<Delivery>} deliveries */
function deliveryTable(context, deliveries) {
  const items = deliveries.shown();
  if (!deliveries.first.value) return waiting(deliveries.first);
  if (items.length === 0) return h("p", { class: "empty" }, "No message was sent to it yet.");
  const more = deliveries.next && moreButton("More deliveries", () => void deliveries.loadMore());
  const rows = items.map((each) => deliveryRow(context, each));
  return section("Deliveries", [table(DELIVERIES, rows, deliveries.holders), more]);
}

/** @param {Context} context @param {Delivery} delivery */
function deliveryRow(context, delivery) {
  const { id, outcome, title, at, number, took_ms, answer, next_at } = delivery;
  const replay = () =>
    void act(async () => {
      await send("POST", `deliveries/${id}/replay`);
      context.refresh();
      return "The message is queued again.";
    });
  return row(String(id), [
    cell("Outcome", badge(OUTCOMES[outcome] ?? "failed", outcome.replaceAll("_", " ")), "lead"),
    h("td", { class: "name" }, h("b", null, title)),
    cell("When", [ago(at), " ", next_at && h("small", { class: "faint" }, "again ", until(next_at))], "time"),
    cell("Try", String(number), "time"),
    cell("Took", duration(took_ms / 1000), "time"),
    cell("Answer", answer || NONE, "text"),
    h("td", { class: "actions" }, button("Send again", replay, "", title)),
  ]);
}
