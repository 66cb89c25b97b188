/** Moments, durations and counts as text. */

import { clock } from "./clock.js";
import { zoneName } from "./prefs.js";
import { formatOf } from "./zones.js";

const UNITS = /** @type {const} */ ([
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
  ["s", 1],
]);

/** Seconds with two units: "3 m 12 s", "0.42 s". @param {number} seconds @returns {string} */
export function duration(seconds) {
  if (seconds < 0) return `−${duration(-seconds)}`;
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  let rest = Math.round(seconds);
  const parts = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count > 0 || parts.length > 0) parts.push(`${count} ${unit}`);
    rest -= count * size;
    if (parts.length === 2) break;
  }
  return parts.filter((part, n) => n === 0 || !part.startsWith("0 ")).join(" ");
}

/** Until a moment, with two units: "in 3 m 12 s"; one that is just over is "now". @param {string} moment */
export function countdown(moment) {
  const seconds = (Date.parse(moment) - clock.now()) / 1000;
  if (seconds >= 60) return `in ${duration(seconds)}`;
  if (seconds >= 1) return `in ${Math.round(seconds)} s`;
  return seconds > -10 ? "now" : relative(moment);
}

/** One unit: "3 min ago", "in 2 h". @param {string} moment ISO 8601 */
export function relative(moment) {
  const seconds = (Date.parse(moment) - clock.now()) / 1000;
  const size = Math.abs(seconds);
  if (size < 1) return "now";
  const text = size < 90 ? `${Math.round(size)} s` : short(size);
  return seconds < 0 ? `${text} ago` : `in ${text}`;
}

/** @param {number} seconds */
function short(seconds) {
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** A moment in the chosen zone; the date is left out if it is today's. @param {string | number} moment
 * @param {string} [zone] */
export function clockTime(moment, zone = zoneName()) {
  const at = new Date(moment);
  const time = formatOf("time", zone).format(at);
  const day = isoDay(at, zone);
  return day === isoDay(new Date(clock.now()), zone) ? time : `${day} ${time}`;
}

/** A slot: "Sat 28 Nov 01:30", without the day if it is today, with seconds if there are some.
 * @param {string} moment @param {string} [zone] @param {string | number} [today] what counts as today */
export function slotTime(moment, zone = zoneName(), today = clock.now()) {
  const at = new Date(moment);
  const text = formatOf("time", zone).format(at);
  const time = text.endsWith(":00") ? text.slice(0, -3) : text;
  if (isoDay(at, zone) === isoDay(new Date(today), zone)) return time;
  const day = formatOf("day of month", zone).format(at);
  return `${day.replace(",", "")} ${time}`;
}

/** With date, offset and UTC, for titles. @param {string | number} moment @param {string} [zone] */
export function fullTime(moment, zone = zoneName()) {
  const at = new Date(moment);
  const time = formatOf("time with zone", zone).format(at);
  return `${isoDay(at, zone)} ${time} · ${at
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, " UTC")}`;
}

/** @param {Date} at @param {string | undefined} zone */
export function isoDay(at, zone) {
  return formatOf("date", zone).format(at);
}

/** @param {number} value from 0 to 1 */
export function percent(value) {
  const text = (value * 100).toFixed(value > 0.9 && value < 1 ? 1 : 0);
  return `${value < 1 && text === "100.0" ? "99.9" : text}\u00a0%`;
}

const grouped = new Intl.NumberFormat("en-US");

/** @param {number} value */
export function count(value) {
  return grouped.format(value).replaceAll(",", " ");
}

/** @param {number} value @param {string} noun @param {string} [nouns] */
export function plural(value, noun, nouns = `${noun}s`) {
  return `${count(value)} ${value === 1 ? noun : nouns}`;
}
