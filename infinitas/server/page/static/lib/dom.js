/**
 * Views as data: `h` describes elements, `render` changes a container's elements into them.
 *
 * Elements that stay are changed in place, so focus, selection and scroll positions stay as well.
 */

/** @typedef {VNode | string | number | bigint | null | undefined | false} Part */
/** @typedef {Part | Parts[]} Parts */
/** @typedef {{ tag: string, props: Props, children: Parts[] }} VNode */
/**
 * `key`: the element moves with it among its siblings. `memo`: while it is equal, the element is left alone.
 * `on…` are listeners, `.name` sets a property, all others are attributes.
 *
 * @typedef {Record<string, unknown> & { key?: string, memo?: string }} Props
 */

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "path", "rect", "circle", "line", "g", "title", "text", "use"]);

/** @type {WeakMap<Node, VNode>} */
const described = new WeakMap();

/**
 * @param {string} tag
 * @param {Props | null} [props]
 * @param {...Parts} children
 * @returns {VNode}
 */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, children };
}

/**
 * @param {Element} container
 * @param {Parts} parts
 */
export function render(container, parts) {
  patchChildren(container, flatten([parts]), false);
}

/** @param {Parts[]} parts @param {(VNode | string)[]} [into] @returns {(VNode | string)[]} */
function flatten(parts, into = []) {
  for (const part of parts) {
    if (Array.isArray(part)) flatten(part, into);
    else if (part === null || part === undefined || part === false) continue;
    else into.push(typeof part === "object" ? part : String(part));
  }
  return into;
}

/** @param {Element} parent @param {(VNode | string)[]} wanted @param {boolean} svg */
function patchChildren(parent, wanted, svg) {
  /** @type {Map<string, Element>} */
  const keyed = new Map();
  for (let node = parent.firstChild; node; node = node.nextSibling) {
    const key = described.get(node)?.props.key;
    if (key !== undefined) keyed.set(key, /** @type {Element} */ (node));
  }
  let place = parent.firstChild;
  for (const part of wanted) {
    const key = typeof part === "string" ? undefined : part.props.key;
    const kept = key === undefined ? place : (keyed.get(key) ?? null);
    const node = kept && fits(kept, part, key) ? patch(kept, part, svg) : create(part, svg);
    if (key !== undefined) keyed.delete(key);
    if (node === place) place = place?.nextSibling ?? null;
    else parent.insertBefore(node, place);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

/** @param {Node} node @param {VNode | string} part @param {string | undefined} key */
function fits(node, part, key) {
  if (typeof part === "string") return node.nodeType === Node.TEXT_NODE;
  const old = described.get(node);
  return old !== undefined && old.tag === part.tag && old.props.key === key;
}

/** @param {Node} node @param {VNode | string} part @param {boolean} svg @returns {Node} */
function patch(node, part, svg) {
  if (typeof part === "string") {
    if (node.nodeValue !== part) node.nodeValue = part;
    return node;
  }
  const old = /** @type {VNode} */ (described.get(node));
  if (part === old) return node;
  if (part.props.memo !== undefined && part.props.memo === old.props.memo) return node;
  const element = /** @type {Element} */ (node);
  for (const name of Object.keys(old.props)) {
    if (!(name in part.props)) setProp(element, name, undefined, old.props[name]);
  }
  fill(element, part, old.props, svg);
  return element;
}

/** @param {VNode | string} part @param {boolean} svg @returns {Node} */
function create(part, svg) {
  if (typeof part === "string") return document.createTextNode(part);
  const inside = svg || part.tag === "svg";
  const element =
    inside && SVG_TAGS.has(part.tag)
      ? document.createElementNS(SVG, part.tag)
      : document.createElement(part.tag);
  fill(element, part, {}, svg);
  return element;
}

/** @param {Element} element @param {VNode} part @param {Props} before @param {boolean} svg */
function fill(element, part, before, svg) {
  described.set(element, part);
  // A custom element without children fills itself.
  if (part.children.length > 0 || !part.tag.includes("-")) {
    patchChildren(element, flatten(part.children), svg || part.tag === "svg");
  }
  for (const [name, value] of Object.entries(part.props)) setProp(element, name, value, before[name]);
}

/** @param {Element} element @param {string} name @param {unknown} value @param {unknown} before */
function setProp(element, name, value, before) {
  if (name === "key" || name === "memo") return;
  if (name.startsWith("on")) setListener(element, name, value);
  else if (name.startsWith(".")) {
    const property = name.slice(1);
    // A field that a person has changed since differs from both; it gets a value only if that is new.
    if (value !== before) Reflect.set(element, property, value);
  } else if (value === before) return;
  else if (value === undefined || value === null || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** Events of custom elements have no property, so their listeners are kept here. @type {WeakMap<Element, Map<string, unknown>>} */
const listeners = new WeakMap();

/** @param {Element} element @param {string} name with "on" @param {unknown} value */
function setListener(element, name, value) {
  if (name in element) {
    Reflect.set(element, name, value ?? null);
    return;
  }
  const own = listeners.get(element) ?? new Map();
  listeners.set(element, own);
  if (!own.has(name)) {
    element.addEventListener(name.slice(2), (event) => {
      const listener = own.get(name);
      if (typeof listener === "function") listener(event);
    });
  }
  own.set(name, value);
}
