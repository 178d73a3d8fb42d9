// What a terminal wrote, as elements: colours and emphasis, and links that the reader of it found safe.
// @ts-check

import { h } from "../app/vdom.js";
import { ansi } from "../text/ansi.js";

/** @typedef {import("../text/ansi-line.js").Span} Span */

/** A line of a terminal. @param {Span[]} spans */
export function ansiLine(spans) {
  return spans.map(({ text, style: { classes, color, background, href } }) => {
    const look = { ...(color ? { color } : {}), ...(background ? { background } : {}) };
    if (href) return h("a", { class: classes, style: look, href, target: "_blank", rel: "noopener noreferrer" }, text);
    return classes || color || background ? h("span", { class: classes, style: look }, text) : text;
  });
}

/** Output that is short enough to stand in the page as a whole. @param {string} text */
export function ansiView(text) {
  const { lines } = ansi(text);
  return h("pre", { class: "ansi", tabindex: "0" }, lines.map((spans, at) => [at > 0 && "\n", ansiLine(spans)]));
}
