/** Rows of a log view, all of the same height: a line is one row, or with wrapping as many as its text needs. */

import { plainText } from "./ansi.js";

/** @typedef {import("./types.js").LogLine} LogLine */
/** @typedef {LogLine & { n: number }} NumberedLine `n` counts from 1 */
/** @typedef {{ line: NumberedLine, from: number, to: number, first: boolean }} LogRow */

export const LEVELS = ["debug", "info", "warning", "error"];
/** Longer lines are cut while they do not wrap. */
const MOST_CHARS = 4_000;

/** @param {LogLine[]} lines @param {string} text @param {string} level the least @returns {NumberedLine[]} */
export function matching(lines, text, level) {
  const wanted = text.toLowerCase();
  const least = rank(level);
  /** @type {NumberedLine[]} */
  const found = [];
  lines.forEach((line, index) => {
    if (rank(line.level) < least) return;
    if (wanted && !plainText(line.text).toLowerCase().includes(wanted)) return;
    found.push({ ...line, n: index + 1 });
  });
  return found;
}

/** @param {string} level */
function rank(level) {
  const found = LEVELS.indexOf(level);
  return found < 0 ? LEVELS.indexOf("info") : found;
}

/** @param {NumberedLine[]} lines @param {number} columns that fit in a row; 0: lines do not wrap @returns {LogRow[]} */
export function rowsOfLog(lines, columns) {
  /** @type {LogRow[]} */
  const rows = [];
  for (const line of lines) {
    const length = line.text.length;
    if (columns === 0) rows.push({ line, from: 0, to: Math.min(length, MOST_CHARS), first: true });
    else wrap(line, columns, rows);
  }
  return rows;
}

/** @param {NumberedLine} line @param {number} columns @param {LogRow[]} rows */
function wrap(line, columns, rows) {
  const { text } = line;
  let from = 0;
  do {
    const to = endOfRow(text, from, columns);
    rows.push({ line, from, to, first: from === 0 });
    from = to;
  } while (from < text.length);
}

/** @param {string} text @param {number} from @param {number} columns */
function endOfRow(text, from, columns) {
  let used = 0;
  let at = from;
  while (at < text.length) {
    const code = text.codePointAt(at) ?? 0;
    if (code === 10) return at + 1;
    used += code === 9 ? 8 : code < 0x1100 ? 1 : 2;
    if (used > columns && at > from) return at;
    at += code > 0xffff ? 2 : 1;
  }
  return at;
}

/** How many characters of a line its row leaves out. @param {LogRow} row @param {boolean} wraps */
export function leftOut({ line, to }, wraps) {
  return wraps ? 0 : line.text.length - to;
}
