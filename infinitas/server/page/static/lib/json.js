/** JSON whose whole numbers stay exact: those that no JavaScript number can hold become BigInt. */

const LONG_NUMBER = /(?:^|[:[,\s-])\d{16}/;

/** @param {string} text @returns {any} */
export function parseJson(text) {
  // Looking at each value takes longer than all the rest; few texts have such a number.
  return LONG_NUMBER.test(text) ? JSON.parse(text, exactNumbers) : JSON.parse(text);
}

/**
 * @this {unknown}
 * @param {string} _key
 * @param {unknown} value
 * @param {{ source?: string }} [context] given by browsers that have the source text of values
 */
function exactNumbers(_key, value, context) {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source;
  return source && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/** @param {unknown} value @param {number} [indent] @returns {string} */
export function formatJson(value, indent = 2) {
  return write(value, " ".repeat(indent), "\n");
}

/** @param {unknown} value @param {string} step @param {string} line @returns {string} */
function write(value, step, line) {
  if (typeof value === "bigint") return value.toString();
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  const inner = line + step;
  const parts = Array.isArray(value)
    ? value.map((each) => write(each, step, inner))
    : Object.entries(value)
        .filter(([, each]) => each !== undefined)
        .map(([key, each]) => `${JSON.stringify(key)}: ${write(each, step, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const flat = `${open}${parts.join(", ")}${close}`;
  if (parts.length === 0 || (flat.length <= 60 && !flat.includes("\n"))) return flat;
  return `${open}${inner}${parts.join(`,${inner}`)}${line}${close}`;
}
