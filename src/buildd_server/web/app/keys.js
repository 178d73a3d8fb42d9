// What the keyboard does everywhere: go to a page, look for something, make a task, see all of this.

import { h } from "./vdom.js";

/** @typedef {import("./main.js").App} App */

export const PAGES = /** @type {const} */ ([
  ["b", "/", "Board"],
  ["f", "/fleet", "Fleet"],
  ["s", "/spend", "Spend"],
  ["w", "/workspaces", "Workspaces"],
  ["e", "/events", "Events"],
  ["t", "/settings", "Settings"],
]);
const OTHERS = /** @type {const} */ ([
  ["c", "Create a task"],
  ["/", "Filter"],
  ["j, k", "Next or previous task"],
  ["h, l", "Column to the left or right"],
  ["Enter", "Open it"],
  ["a, m", "On a task: answer it, or write to its agent"],
  ["[, ]", "On a task: the attempt before or after"],
  ["?", "These keys"],
]);
const SEQUENCE = 1500; // Milliseconds between g and the key of a page.

/** @param {App} app */
export function hearKeys(app) {
  let leader = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (app.overlays.open || app.lock.locked || isTyping(/** @type {Element} */ (event.target)))
      return;
    const page = PAGES.find(([key]) => key === event.key);
    if (Date.now() - leader < SEQUENCE && page) {
      leader = 0;
      event.preventDefault();
      app.go(page[1]);
    } else if (event.key === "g") leader = Date.now();
    else if (event.key === "?") helped(app);
    else if (app.press(event.key) || press(event.key)) event.preventDefault();
  });
}

/** Whoever shows the element with `data-key` says what the key does: a click, or the caret. @param {string} key */
function press(key) {
  const found = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!(found instanceof HTMLElement)) return false;
  if (found instanceof HTMLInputElement) found.focus();
  else found.click();
  return true;
}

/** @param {Element} element */
function isTyping(element) {
  return element.matches("input, textarea, select, [contenteditable]");
}

/** @param {App} app */
export function helped(app) {
  void app.overlays.dialog("Keys", () =>
    h(
      "dl",
      { class: "keys" },
      PAGES.map(([key, , name]) => row(`g ${key}`, name)),
      OTHERS.map(([key, what]) => row(key, what)),
    ),
  );
}

/** @param {string} keys @param {string} what */
function row(keys, what) {
  return h("div", { key: keys }, h("dt", null, h("kbd", null, keys)), h("dd", null, what));
}
