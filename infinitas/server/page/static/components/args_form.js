/** Arguments of a job: a form from the task's schema; JSON where it has none, or in place of the form. */

import { get, part } from "../lib/api.js";
import { formatJson, parseJson } from "../lib/json.js";
import { ask } from "./question.js";

/** @typedef {import("../lib/types.js").Schema} Schema */
/** @typedef {import("./question.js").Field} Field */
/** @typedef {{ title: string, button: string, task: string, args: unknown, text?: string }} Given */

/** Names of fields are those of arguments with this before them, so that none is the name of the JSON. */
const OWN = "arg:";
const JSON_FIELD = "json";

/** @param {Given} given @returns {Promise<{ value: unknown } | null>} null: it was closed */
export async function argsQuestion({ title, button, task, args, text }) {
  const schema = await schemaOf(task);
  const answer = await ask({
    title,
    text,
    button,
    fields: fieldsOf(schema, args),
    check: (values) => faultOf(() => read(schema, values)),
  });
  return answer && { value: read(schema, answer) };
}

/** @param {string} task @returns {Promise<Schema | null>} one of named arguments, or null */
async function schemaOf(task) {
  const found = await get(`tasks/${part(task)}`).catch(() => null);
  const schema = /** @type {Schema | null | undefined} */ (found?.parameters);
  return schema?.properties && Object.keys(schema.properties).length > 0 ? schema : null;
}

/** @param {Schema | null} schema @param {unknown} args @returns {Field[]} */
function fieldsOf(schema, args) {
  const written = { name: JSON_FIELD, label: "Arguments", rows: 5, value: formatJson(args) };
  if (!schema) return [{ ...written, hint: "JSON: a list, or an object of named arguments" }];
  const named = namedOf(schema, args);
  // Arguments that no field can show stay as JSON.
  if (named === null)
    return [{ ...written, hint: `Names: ${Object.keys(schema.properties ?? {}).join(", ")}` }];
  const fields = Object.entries(schema.properties ?? {}).map(([name, each]) =>
    fieldFor(schema, name, each, named[name]),
  );
  return [...fields, { ...written, label: "Or all arguments as JSON", rows: 2, value: "" }];
}

/** @param {Schema} schema @param {unknown} args @returns {Record<string, unknown> | null} */
function namedOf({ properties }, args) {
  const names = Object.keys(properties ?? {});
  if (Array.isArray(args)) return args.length === 0 ? {} : positional(names, args);
  if (args === null || typeof args !== "object") return null;
  return Object.keys(args).every((name) => names.includes(name)) ? { ...args } : null;
}

/** A schema names arguments in the order of their positions. @param {string[]} names @param {unknown[]} args */
function positional(names, args) {
  if (args.length > names.length) return null;
  return Object.fromEntries(args.map((value, n) => [names[n], value]));
}

/** @param {Schema} schema @param {string} name @param {Schema} each @param {unknown} value @returns {Field} */
function fieldFor(schema, name, each, value) {
  const required = schema.required?.includes(name) ?? false;
  const given = value === undefined ? "" : typeof value === "string" ? value : formatJson(value, 0);
  const kind = [each.type ?? "JSON", required ? "" : "empty: the default"].filter(Boolean).join(", ");
  const usual = each.default === undefined ? "" : ` ${formatJson(each.default, 0)}`;
  const hint = [each.description, `${kind}${required ? "" : usual}`].filter(Boolean).join(" · ");
  const options = each.enum?.map(String) ?? (each.type === "boolean" ? ["true", "false"] : undefined);
  return { name: `${OWN}${name}`, label: name, value: given, hint, options: options && ["", ...options] };
}

/** @param {Schema | null} schema @param {Record<string, string>} values */
function read(schema, values) {
  const written = values[JSON_FIELD]?.trim();
  if (written) return container(parseJson(written));
  if (!schema) return [];
  /** @type {Record<string, unknown>} */
  const args = {};
  for (const [name, each] of Object.entries(schema.properties ?? {})) {
    const text = values[`${OWN}${name}`] ?? "";
    if (text !== "") args[name] = each.type === "string" ? text : parseArgument(name, text);
    else if (schema.required?.includes(name)) throw new Error(`The argument ${name} is required.`);
  }
  return args;
}

/** @param {unknown} value */
function container(value) {
  if (value === null || typeof value !== "object")
    throw new Error("Arguments are a list [ … ] or an object { … }.");
  return value;
}

/** @param {string} name @param {string} text */
function parseArgument(name, text) {
  try {
    return parseJson(text);
  } catch {
    // A type such as a date has no type in the schema that a form could know.
    if (/^[[{"]/.test(text)) throw new Error(`The argument ${name} is no JSON.`);
    return text;
  }
}

/** @param {() => unknown} attempt @returns {string | null} */
function faultOf(attempt) {
  try {
    attempt();
    return null;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return error instanceof SyntaxError ? `This is no JSON: ${text}.` : text;
  }
}
