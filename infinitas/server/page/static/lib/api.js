/** Requests to the HTTP API of the server that sent this page. */

import { clock } from "./clock.js";
import { formatJson, parseJson } from "./json.js";

/** The API's address, also under a path prefix: index.html has it as <base>. */
const ROOT = new URL("api/v1/", document.baseURI);
const PATIENCE_MS = 20_000;

/** A request that failed: `code` as in docs/errors.md, `status` 0 if no answer came. */
export class ApiError extends Error {
  /** @param {number} status @param {string} code @param {string} detail */
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

/** @typedef {Record<string, string | number | boolean | undefined | null>} Query */

/** @param {string} path @param {Query} [query] @returns {Promise<any>} */
export function get(path, query) {
  return request("GET", path, { query });
}

/**
 * All pages of a list, each item once: one that has moved on meanwhile may be on two pages.
 *
 * @param {string} path
 * @param {string} name of the field that no two items have in common
 * @param {Query} [query]
 * @returns {Promise<any[]>}
 */
export async function getAll(path, name, query) {
  const found = new Map();
  let cursor = null;
  do {
    const page = await get(path, { ...query, cursor });
    for (const item of page.items) found.set(item[name], item);
    cursor = page.next;
  } while (cursor !== null);
  return [...found.values()];
}

/** Tasks as lists show them. @returns {Promise<import("./types.js").TaskLine[]>} */
export function getTasks() {
  return getAll("tasks", "name");
}

/** Schedules of all tasks, or of one. @param {string} [task] @returns {Promise<import("./types.js").Schedule[]>} */
export function getSchedules(task) {
  return getAll("schedules", "key", { task, limit: 500 });
}

/** @param {string} method @param {string} path @param {unknown} [body] @returns {Promise<any>} */
export function send(method, path, body) {
  return request(method, path, { body });
}

/** A name as one part of a path. @param {string} name */
export function part(name) {
  return encodeURIComponent(name);
}

/** The address of a WebSocket. @param {string} path */
export function socketAddress(path) {
  const address = new URL(path, ROOT);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

/** @param {string} method @param {string} path @param {{ query?: Query, body?: unknown }} given */
async function request(method, path, { query, body }) {
  const address = new URL(path, ROOT);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") address.searchParams.set(name, String(value));
  }
  const sent = performance.now();
  /** @type {Response} */
  let response;
  let text;
  try {
    response = await fetch(address, {
      method,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : formatJson(body, 0),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    text = await response.text();
  } catch {
    throw new ApiError(0, "no_answer", "The server gives no answer.");
  }
  clock.learn(response.headers.get("date"), performance.now() - sent);
  const found = text ? read(text) : null;
  if (response.ok) return found;
  throw new ApiError(
    response.status,
    found?.code ?? "",
    found?.detail ?? `The server answered ${response.status}.`,
  );
}

/** @param {string} text */
function read(text) {
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}
