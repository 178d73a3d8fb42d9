// Markdown that strangers wrote, as elements.
// @ts-check

import { h } from "../app/vdom.js";
import { visible } from "../text/visible.js";

/** @param {string} text */
export function markdownView(text) {
  return h("div", { class: "markdown" }, h("p", { class: "plain-text" }, visible(text)));
}
