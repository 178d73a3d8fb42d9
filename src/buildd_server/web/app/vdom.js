// Brings the page to what a view describes: light nodes in, as few changes of the DOM as possible out.
// Text is always text, and addresses pass one gate: nothing here, nor anywhere, takes markup from a string.

import { rescue } from "./focus.js";

/**
 * @typedef {string | number | boolean | null | undefined | VNode | Child[]} Child
 * @typedef {Record<string, any>} Props
 * @typedef {VElement | VText} VNode
 * @typedef {{tag: string, props: Props, children: VNode[], id: string, dom: Element | null}} VElement
 * @typedef {{tag: null, text: string, id: string, dom: Text | null}} VText
 */

const SVG = "http://www.w3.org/2000/svg";
const ADDRESSES = new Set(["href", "src", "xlink:href", "poster", "cite"]);
const LIVE = new Set(["value", "checked", "defaultValue", "indeterminate"]);
const FORBIDDEN = new Set(["innerHTML", "outerHTML", "srcdoc", "srcset", "action", "formaction"]);

/** @type {WeakMap<Element, VNode[]>} */
const mounted = new WeakMap();
/** @type {WeakMap<Element, () => void>} */
const farewells = new WeakMap();
/** @type {VElement[]} */
const arrived = [];

/**
 * An element to be. `key` tells siblings of an array apart; `ref` is called with the element once it
 * stands, and what it returns is called when the element goes.
 * @param {string} tag
 * @param {Props | null} [props]
 * @param {...Child} children
 * @returns {VElement}
 */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, children: normalised(children), id: "", dom: null };
}

/**
 * Make the children of an element what a view says. What is the very same object as before is skipped.
 * @param {Element} container
 * @param {Child} view
 */
export function patch(container, view) {
  const after = normalised([view]);
  const focused = document.activeElement;
  reconcile(container, mounted.get(container) ?? [], after);
  mounted.set(container, after);
  // Only now does everything stand in the page: a dialog can be shown, a box be measured.
  for (const node of arrived.splice(0)) greet(node);
  rescue(focused);
}

/**
 * An address that is safe to follow, or null: our own paths, http, https and mailto.
 * @param {unknown} address
 * @returns {string | null}
 */
export function safeAddress(address) {
  const text = String(address);
  if (/^\/(?![/\\])|^#|^\?/.test(text)) return text;
  try {
    const { protocol, href, username, password } = new URL(text);
    // Who reads https://github.com@evil.example would look for the host in the wrong place.
    if (username || password) return null;
    const own = protocol === "blob:" && href.startsWith(`blob:${location.origin}/`);
    return own || ["http:", "https:", "mailto:"].includes(protocol) ? href : null;
  } catch {
    return null;
  }
}

/**
 * Flat, with an identity for each: its key, or its place. A hole keeps its place.
 * @param {Child[]} children
 * @param {string} [path]
 * @param {VNode[]} [into]
 * @returns {VNode[]}
 */
function normalised(children, path = "", into = []) {
  children.forEach((child, index) => {
    const place = `${path}.${index}`;
    if (Array.isArray(child)) normalised(child, place, into);
    else if (child === null || child === undefined || typeof child === "boolean") return;
    else if (typeof child === "object") into.push(identified(child, path, place));
    else into.push({ tag: null, text: String(child), id: place, dom: null });
  });
  return into;
}

/**
 * @param {VNode} node
 * @param {string} path
 * @param {string} place
 */
function identified(node, path, place) {
  const key = node.tag === null ? undefined : node.props.key;
  node.id = key === undefined ? place : `${path}/${key}`;
  return node;
}

/**
 * @param {Element} parent
 * @param {VNode[]} before
 * @param {VNode[]} after
 */
function reconcile(parent, before, after) {
  const old = new Map(before.map((node) => [node.id, node]));
  const kept = new Map();
  const met = new Set();
  for (const node of after) {
    // Some keys are the words of strangers, who may say the same twice.
    while (met.has(node.id)) node.id += "+";
    met.add(node.id);
    const match = old.get(node.id);
    if (match && match.tag === node.tag) {
      kept.set(node, match);
      old.delete(node.id);
    }
  }
  for (const node of old.values()) remove(node);
  let next = parent.firstChild;
  for (const node of after) {
    const match = kept.get(node);
    const dom = match ? update(match, node) : create(node, parent);
    if (dom === next) next = next.nextSibling;
    else parent.insertBefore(dom, next);
    if (!match && node.tag !== null && node.props.ref) arrived.push(node);
  }
}

/**
 * @param {VNode} node
 * @param {Element} parent
 * @returns {Element | Text}
 */
function create(node, parent) {
  if (node.tag === null) {
    node.dom = document.createTextNode(node.text);
    return node.dom;
  }
  const inSvg = parent.namespaceURI === SVG && parent.tagName !== "foreignObject";
  const dom =
    node.tag === "svg" || inSvg
      ? document.createElementNS(SVG, node.tag)
      : document.createElement(node.tag);
  node.dom = dom;
  reconcile(dom, [], node.children);
  for (const [name, value] of Object.entries(node.props)) set(dom, name, value, undefined);
  return dom;
}

/**
 * @param {VNode} before
 * @param {VNode} after
 * @returns {Element | Text}
 */
function update(before, after) {
  const dom = /** @type {Element | Text} */ (before.dom);
  if (before === after) return dom;
  after.dom = /** @type {any} */ (dom);
  if (after.tag === null || before.tag === null) {
    const text = /** @type {VText} */ (after).text;
    if (/** @type {VText} */ (before).text !== text) /** @type {Text} */ (dom).data = text;
    return dom;
  }
  const element = /** @type {Element} */ (dom);
  reconcile(element, before.children, after.children);
  for (const name of Object.keys(before.props))
    if (!(name in after.props)) set(element, name, undefined, before.props[name]);
  for (const [name, value] of Object.entries(after.props))
    if (LIVE.has(name) || value !== before.props[name])
      set(element, name, value, before.props[name]);
  return dom;
}

/** @param {VElement} node */
function greet(node) {
  const element = /** @type {Element} */ (node.dom);
  const farewell = node.props.ref(element);
  if (typeof farewell === "function") farewells.set(element, farewell);
}

/** @param {VNode} node */
function remove(node) {
  /** @type {Element | Text} */ (node.dom).remove();
  forget(node);
}

/** @param {VNode} node */
function forget(node) {
  if (node.tag === null) return;
  farewells.get(/** @type {Element} */ (node.dom))?.();
  node.children.forEach(forget);
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {any} value
 * @param {any} before
 */
function set(element, name, value, before) {
  const target = /** @type {any} */ (element);
  if (name === "key" || name === "ref") return;
  if (FORBIDDEN.has(name)) throw new Error(`${name} is set nowhere`);
  if (name.startsWith("on")) target[name] = typeof value === "function" ? heard(value) : null;
  else if (name === "style") styled(target.style, value ?? {}, before ?? {});
  else if (name === "class") attribute(element, "class", classes(value));
  else if (LIVE.has(name)) live(target, name, value, before);
  else if (ADDRESSES.has(name)) attribute(element, name, value == null ? null : safeAddress(value));
  else attribute(element, name, value);
}

/**
 * What a handler answers means nothing: a browser would take `false` for "do not do what you do then".
 * @param {(event: Event) => unknown} handler
 */
function heard(handler) {
  return (/** @type {Event} */ event) => void handler(event);
}

/**
 * What people change themselves: only where it is not so already, else the caret would jump.
 * A `defaultValue` is where they begin, and theirs from then on.
 * @param {any} target
 * @param {string} name
 * @param {any} value
 * @param {any} before
 */
function live(target, name, value, before) {
  const property = name === "defaultValue" ? "value" : name;
  if (name === "defaultValue" && before !== undefined) return;
  const wanted = value ?? (property === "value" ? "" : false);
  if (target[property] !== wanted) target[property] = wanted;
}

/**
 * @param {CSSStyleDeclaration} style
 * @param {Record<string, string>} value
 * @param {Record<string, string>} before
 */
function styled(style, value, before) {
  for (const name of Object.keys(before)) if (!(name in value)) style.removeProperty(name);
  for (const [name, each] of Object.entries(value))
    if (each !== before[name]) style.setProperty(name, each);
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {any} value
 */
function attribute(element, name, value) {
  if (value === null || value === undefined || value === false || value === "") {
    if (value === "" && name !== "class") element.setAttribute(name, "");
    else element.removeAttribute(name);
  } else element.setAttribute(name, value === true ? "" : String(value));
}

/**
 * @param {any} value
 * @returns {string}
 */
function classes(value) {
  return Array.isArray(value) ? value.filter(Boolean).join(" ") : (value ?? "");
}
