/** Addresses and views: a view has a path below <base>, with parts that are percent-encoded, and a query. */

/** @typedef {{ path: string[], query: URLSearchParams }} Place */

const BASE = new URL(document.baseURI).pathname;

/** The place that the address bar shows. @returns {Place} */
export function here() {
  const path = location.pathname.startsWith(BASE) ? location.pathname.slice(BASE.length) : "";
  const parts = path.split("/").filter((each) => each !== "");
  return { path: parts.map(decode), query: new URLSearchParams(location.search) };
}

/** The address of a view. @param {string[]} path @param {Record<string, string | undefined>} [query] */
export function to(path, query = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) search.set(name, value);
  const text = search.toString();
  return BASE + path.map(encodeURIComponent).join("/") + (text ? `?${text}` : "");
}

/**
 * @param {string} address
 * @param {{ replace?: boolean, quiet?: boolean }} [options] `quiet`: the shown view knows already
 */
export function go(address, { replace = false, quiet = false } = {}) {
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  if (!quiet) dispatchEvent(new PopStateEvent("popstate"));
}

/** Follow links of the page without loading it again. @param {() => void} moved */
export function onMove(moved) {
  let shown = location.pathname + location.search;
  addEventListener("popstate", () => {
    const next = location.pathname + location.search;
    // Another line of the same log is no other view.
    if (next === shown && location.hash) return;
    shown = next;
    moved();
  });
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || !link.pathname.startsWith(BASE)) return;
    if (link.pathname.startsWith(`${BASE}api/`)) return;
    if (link.hash && link.pathname + link.search === location.pathname + location.search) return;
    event.preventDefault();
    go(link.href);
  });
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
