/** A schedule's rule in plain terms, where it is a common one; else as it is written. */

import { slotTime } from "./format.js";

const DAYS = ["Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"];
const NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** @param {{ rule: string, cron: string | null, every: number | null, at: string | null }} schedule */
export function ruleWords({ rule, cron, every, at }) {
  if (every !== null) return `every ${interval(every)}`;
  if (at !== null) return `once at ${slotTime(at)}`;
  if (cron === null) return rule;
  const fields = cron.trim().split(/\s+/);
  return (fields.length === 5 && cronWords(fields)) || cron;
}

/** @param {number} seconds */
function interval(seconds) {
  const units = /** @type {[number, string][]} */ ([
    [86_400, "day"],
    [3_600, "hour"],
    [60, "minute"],
    [1, "second"],
  ]);
  for (const [size, name] of units) {
    if (seconds % size === 0) return seconds === size ? name : `${seconds / size} ${name}s`;
  }
  return `${seconds} s`;
}

/** @param {string[]} fields @returns {string | undefined} */
function cronWords([minute = "", hour = "", day = "", month = "", weekday = ""]) {
  if (month !== "*") return undefined;
  if (day === "*" && weekday === "*" && hour === "*") return hourly(minute);
  const time = clock(hour, minute);
  if (!time) return undefined;
  if (day === "*" && weekday === "*") return `daily at ${time}`;
  if (day === "*") return weekly(weekday, time);
  return weekday === "*" && /^\d+$/.test(day) ? `on day ${day} of the month at ${time}` : undefined;
}

/** @param {string} minute */
function hourly(minute) {
  if (minute === "*" || minute === "*/1") return "every minute";
  const step = /^\*\/(\d+)$/.exec(minute)?.[1];
  if (step) return 60 % Number(step) === 0 ? `every ${step} minutes` : undefined;
  return /^\d+$/.test(minute) ? `hourly at :${minute.padStart(2, "0")}` : undefined;
}

/** @param {string} weekday @param {string} time */
function weekly(weekday, time) {
  const name = weekday.toLowerCase();
  if (name === "1-5" || name === "mon-fri") return `Monday to Friday at ${time}`;
  const number = /^[0-7]$/.test(name) ? Number(name) : NAMES.indexOf(name);
  return number < 0 ? undefined : `${DAYS[number]} at ${time}`;
}

/** @param {string} hour @param {string} minute */
function clock(hour, minute) {
  if (!/^\d+$/.test(hour) || !/^\d+$/.test(minute)) return undefined;
  return `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`;
}
