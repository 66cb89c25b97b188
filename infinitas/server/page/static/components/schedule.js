/** A schedule of a task: its rule, state, actions and next slots. */

import { h } from "../lib/dom.js";
import { ruleWords } from "../lib/rule_words.js";
import { button } from "./actions.js";
import { backfill, pause, reset, resume, skipNext, trigger } from "./schedule_actions.js";
import { editSchedule } from "./schedule_editor.js";
import { section } from "./section.js";
import { slots } from "./slots.js";
import { badge } from "./state.js";
import { until } from "./time.js";

/** @typedef {import("../context.js").Context} Context */
/** @typedef {import("../lib/types.js").Schedule} Schedule */

/** @param {Context} context @param {Schedule} schedule */
export function scheduleView(context, schedule) {
  const body = [
    schedule.unreadable && h("p", { class: "fault" }, schedule.unreadable),
    slots(schedule),
    schedule.filling !== null && h("p", { class: "note" }, "Slots of the past are being filled."),
  ];
  return section(`Schedule ${schedule.key}`, body, [
    rule(schedule),
    states(schedule),
    actions(context, schedule),
  ]);
}

/** @param {Schedule} schedule */
function rule(schedule) {
  const words = ruleWords(schedule);
  return h(
    "span",
    null,
    words,
    words !== schedule.rule && h("code", { class: "faint" }, ` ${schedule.rule}`),
    h("span", { class: "faint" }, ` ${schedule.timezone}`),
  );
}

/** @param {Schedule} schedule */
function states({ overridden, paused, skips }) {
  return [
    overridden && badge("overridden", "changed here", "Differs from the rule that the code declares"),
    paused && badge("paused", `paused: ${paused.reason}`),
    paused?.until && h("span", { class: "faint" }, "ends ", until(paused.until)),
    skips > 0 && badge("skipped", `skips the next ${skips > 1 ? `${skips} slots` : "slot"}`),
  ];
}

/** @param {Context} context @param {Schedule} schedule */
function actions(context, schedule) {
  const { key, overridden, paused } = schedule;
  const mayChange = context.may("tasks");
  return h(
    "span",
    { class: "actions" },
    mayChange &&
      (paused
        ? button("Resume", () => void resume(context, schedule), "", key)
        : button("Pause", () => void pause(context, schedule), "", key)),
    mayChange && button("Skip next", () => void skipNext(context, schedule), "", key),
    context.may("jobs") && button("Trigger", () => void trigger(context, schedule), "", key),
    mayChange && button("Backfill", () => void backfill(context, schedule), "", key),
    mayChange && overridden && button("Reset", () => void reset(context, schedule), "", key),
    mayChange && button("Edit", () => void editSchedule(context, schedule), "", key),
  );
}
