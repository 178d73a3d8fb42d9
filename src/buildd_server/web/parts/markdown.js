// Markdown that strangers wrote, as elements: its headings stay below the page's own, its links lead
// into another tab, and its pictures are links, because we fetch nothing from another host.

import { h } from "../app/vdom.js";
import { parseMarkdown } from "../text/markdown.js";
import { icon } from "./icons.js";

/**
 * @typedef {import("../app/vdom.js").Child} Child
 * @typedef {import("../text/markdown.js").Block} Block
 * @typedef {import("../text/markdown-inline.js").Inline} Inline
 */

const FIRST = 4; // The page's title, its section and the artifact have headings above these.
const LAST = 6;
const PART = 60; // Blocks that are laid out together.
const SHOWN_FOR = 2000;

/**
 * Made anew by each call: keep it as long as the text is the same.
 * @param {string} text
 */
export function markdownView(text) {
  return h("div", { class: "markdown" }, [...markdownParts(text)]);
}

/**
 * What stands in it, in parts, each made when it is asked for. Its headings follow ours without a
 * gap, whichever levels their author has used.
 * @param {string} text
 */
export function* markdownParts(text) {
  const blocks = parseMarkdown(text);
  const used = blocks.flatMap((each) => (each.type === "heading" ? [each.level] : []));
  const levels = [...new Set(used)].sort();
  const drawn = (/** @type {Block} */ each) =>
    each.type === "heading" ? heading(each, FIRST + levels.indexOf(each.level)) : block(each);
  for (let from = 0; from < blocks.length; from += PART)
    yield h(
      "div",
      { class: "markdown-part", key: from },
      blocks.slice(from, from + PART).map(drawn),
    );
}

/** @param {Extract<Block, {type: "heading"}>} of @param {number} level */
function heading(of, level) {
  const tag = `h${Math.min(LAST, level)}`;
  return h(tag, { class: `heading-${of.level}` }, inlines(of.content));
}

/** @param {Block} of @returns {Child} */
function block(of) {
  switch (of.type) {
    case "heading":
      return heading(of, LAST); // Within a quote or a list: of no outline.
    case "paragraph":
      return h("p", null, inlines(of.content));
    case "code":
      return codeBlock(of.text, of.language);
    case "quote":
      return h("blockquote", null, of.blocks.map(block));
    case "list":
      return list(of);
    case "table":
      return table(of);
    case "rule":
      return h("hr", null);
  }
}

/** @param {Extract<Block, {type: "list"}>} of */
function list({ ordered, start, tight, items }) {
  const inside = items.map(({ done, blocks }) =>
    h(
      "li",
      done === null ? null : { class: "task" },
      done !== null &&
        h("input", {
          type: "checkbox",
          checked: done,
          disabled: true,
          "aria-label": done ? "done" : "to do",
        }),
      blocks.map((each) =>
        tight && each.type === "paragraph" ? inlines(each.content) : block(each),
      ),
    ),
  );
  return ordered ? h("ol", start === 1 ? null : { start }, inside) : h("ul", null, inside);
}

/** @param {Extract<Block, {type: "table"}>} of */
function table({ align, head, rows }) {
  const row = (/** @type {Inline[][]} */ cells, /** @type {string} */ tag) =>
    h(
      "tr",
      null,
      align.map((side, at) =>
        h(tag, side ? { class: `align-${side}` } : null, inlines(cells[at] ?? [])),
      ),
    );
  return h(
    "div",
    { class: "wide", role: "group", "aria-label": "Table", tabindex: "0" },
    h(
      "table",
      null,
      h("thead", null, row(head, "th")),
      h(
        "tbody",
        null,
        rows.map((cells) => row(cells, "td")),
      ),
    ),
  );
}

/** @param {string} text @param {string} language */
function codeBlock(text, language) {
  return h(
    "div",
    { class: "code-block" },
    h(
      "pre",
      { tabindex: "0", role: "group", "aria-label": language ? `Code, ${language}` : "Code" },
      h("code", null, text),
    ),
    h(
      "button",
      {
        type: "button",
        class: "quiet",
        "aria-label": "Copy the code",
        title: "Copy",
        onclick: (/** @type {MouseEvent} */ event) => void copy(event, text),
      },
      icon("copy"),
      icon("check"),
    ),
  );
}

/** @param {MouseEvent} event @param {string} text */
async function copy(event, text) {
  const button = /** @type {HTMLElement} */ (event.currentTarget);
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Kept from pages that came over plain HTTP: what is selected can be copied by key.
    const code = button.parentElement?.querySelector("code");
    if (code) getSelection()?.selectAllChildren(code);
    return;
  }
  button.dataset.copied = "";
  setTimeout(() => delete button.dataset.copied, SHOWN_FOR);
}

/** @param {Inline[]} content @returns {Child} */
function inlines(content) {
  return content.map(inline);
}

/** @param {Inline} of @returns {Child} */
function inline(of) {
  switch (of.type) {
    case "text":
      return of.text;
    case "code":
      return h("code", null, of.text);
    case "break":
      return h("br", null);
    case "emphasis":
      return h("em", null, inlines(of.content));
    case "strong":
      return h("strong", null, inlines(of.content));
    case "strike":
      return h("s", null, inlines(of.content));
    case "link":
      return link(of);
  }
}

/** @param {Extract<Inline, {type: "link"}>} of */
function link({ href, image, content }) {
  const inside = content.length === 0 ? href : inlines(content);
  const props = { href, title: href, target: "_blank", rel: "noopener noreferrer" };
  return [image && h("span", { class: "chip" }, "picture"), image && " ", h("a", props, inside)];
}
