/** The query of the jobs list: `task:backup state:failed since:24h worker:eu-3 args.id:7`. */

/** @typedef {Record<string, string>} JobFilter */

export const FIELDS = ["task", "state", "since", "until", "schedule", "worker", "key"];
export const STATES = [
  "scheduled",
  "queued",
  "running",
  "retrying",
  "succeeded",
  "failed",
  "cancelled",
  "skipped",
  "missed",
];
/** Before the name or the position of an argument: `args.id:7`, `args.0:7`. */
const ARGUMENT = "args.";
const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** A query that can't be read; the text names the part. */
export class QueryError extends Error {}

/**
 * @param {string} text
 * @param {number} nowMs
 * @returns {JobFilter} as the API takes it
 */
export function parseQuery(text, nowMs) {
  /** @type {JobFilter} */
  const filter = {};
  for (const { field, value } of split(text)) {
    if (field.startsWith(ARGUMENT) && field.length > ARGUMENT.length) {
      if (filter.arg) throw new QueryError("One argument can be searched for, not two.");
      filter.arg = `${field.slice(ARGUMENT.length)}:${value}`;
      continue;
    }
    if (!FIELDS.includes(field))
      throw new QueryError(`“${field}:” is no field; use ${FIELDS.join(", ")}, args.NAME.`);
    if (field === "state" && !STATES.includes(value)) {
      throw new QueryError(`“${value}” is no state; use ${STATES.join(", ")}.`);
    }
    filter[field] = field === "since" || field === "until" ? moment(value, nowMs) : value;
  }
  return filter;
}

/** Parts of a query; a part without a field is a task. @param {string} text */
function split(text) {
  const parts = text.match(/(?:(?:args\.[^\s":]+|[a-z]+):)?(?:"(?:[^"\\]|\\.)*"|[^\s"]+)/gs) ?? [];
  return parts.map((part) => {
    const found = /^(args\.[^\s":]+|[a-z]+):(.*)$/s.exec(part);
    const [field, value] = found ? [found[1] ?? "", found[2] ?? ""] : ["task", part];
    return { field, value: unquote(value) };
  });
}

/** @param {string} value */
function unquote(value) {
  const found = /^"(.*)"$/s.exec(value);
  return found ? (found[1] ?? "").replace(/\\(.)/gs, "$1") : value;
}

/** `24h` ago, or an ISO moment. @param {string} value @param {number} nowMs */
function moment(value, nowMs) {
  const ago = /^(\d+)([smhdw])$/.exec(value);
  if (ago) {
    const unit = UNIT_MS[/** @type {keyof typeof UNIT_MS} */ (ago[2])];
    return new Date(nowMs - Number(ago[1]) * unit).toISOString();
  }
  const ms = Date.parse(value);
  if (Number.isNaN(ms)) throw new QueryError(`“${value}” is no time; write 24h, 7d or 2026-03-29T02:00Z.`);
  return new Date(ms).toISOString();
}

/** One part of a query. @param {string} field @param {string} value */
export function term(field, value) {
  return /[\s":\\]/.test(value) ? `${field}:"${value.replace(/["\\]/g, "\\$&")}"` : `${field}:${value}`;
}
