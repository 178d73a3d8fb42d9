// Which page an address shows. Addresses are the pages' only memory that can be sent to somebody else.

/**
 * @typedef {{title: () => string, view: () => import("./vdom.js").Child, close?: () => void,
 *   hear?: (event: import("../types.js").Event) => void, reset?: () => void,
 *   press?: (key: string) => boolean}} Page `press` says whether a key means something there
 * @typedef {(app: import("./main.js").App, params: Record<string, string>) => Page} PageMaker
 * @typedef {{name: string, pattern: RegExp, load: () => Promise<{page: PageMaker}>}} Route
 */

/** @type {Route[]} */
const ROUTES = [
  route("board", /^\/$/, () => import("../pages/board.js")),
  route("task", /^\/tasks\/(?<id>[^/]+)$/, () => import("../pages/task.js")),
  route("fleet", /^\/fleet$/, () => import("../pages/fleet.js")),
  route("spend", /^\/spend$/, () => import("../pages/spend.js")),
  route("workspaces", /^\/workspaces(?:\/(?<id>[^/]+))?$/, () => import("../pages/workspaces.js")),
  route("settings", /^\/settings$/, () => import("../pages/settings.js")),
  route("events", /^\/events$/, () => import("../pages/events.js")),
  route("login", /^\/login$/, () => import("../pages/login.js")),
];

/**
 * @param {string} name
 * @param {RegExp} pattern
 * @param {() => Promise<any>} load
 * @returns {Route}
 */
function route(name, pattern, load) {
  return { name, pattern, load };
}

/**
 * @param {string} path
 * @returns {{route: Route, params: Record<string, string>} | null}
 */
export function match(path) {
  for (const each of ROUTES) {
    const found = each.pattern.exec(path);
    if (found) return { route: each, params: { ...found.groups } };
  }
  return null;
}

/**
 * Follow our own links without loading the page anew.
 * @param {(path: string) => void} go
 */
export function followLinks(go) {
  document.addEventListener("click", (event) => {
    const anchor = /** @type {Element} */ (event.target).closest?.("a[href]");
    if (!anchor || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const { target, origin, pathname, search, hash } = /** @type {HTMLAnchorElement} */ (anchor);
    if (target || origin !== location.origin || match(pathname) === null) return;
    event.preventDefault();
    if (hash) document.getElementById(hash.slice(1))?.focus();
    else go(pathname + search);
  });
}
