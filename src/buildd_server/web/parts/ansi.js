// What a terminal wrote, as elements: colours and emphasis, and links that the reader of it found safe.

import { h } from "../app/vdom.js";
import { ansi } from "../text/ansi.js";

/** @typedef {import("../text/ansi-line.js").Span} Span */

const PART = 16_000; // Characters that are laid out together, and the rest of their line.

/** A line of a terminal. @param {Span[]} spans */
export function ansiLine(spans) {
  return spans.map(({ text, style: { classes, color, background, href } }) => {
    const look = { ...(color ? { color } : {}), ...(background ? { background } : {}) };
    const props = { class: classes, style: look };
    if (href) return h("a", { ...props, href, target: "_blank", rel: "noopener noreferrer" }, text);
    return classes || color || background ? h("span", props, text) : text;
  });
}

/**
 * Output in parts, each made when it is asked for: a browser lays out only those in sight.
 * @param {string} text
 */
export function* ansiParts(text) {
  /** @type {import("../text/ansi.js").State | undefined} */
  let state;
  for (let from = 0; from < text.length; ) {
    const cut = text.indexOf("\n", from + PART);
    const to = cut === -1 ? text.length : cut + 1;
    const read = ansi(text.slice(from, to), state);
    // What follows a line break goes on in the next part.
    const lines = cut === -1 ? read.lines : read.lines.slice(0, -1);
    yield part(lines, from);
    state = read.state;
    from = to;
  }
}

/** @param {Span[][]} lines @param {number} key */
function part(lines, key) {
  const style = { "--lines": String(lines.length) };
  return h(
    "div",
    { class: "ansi-part", key, style },
    lines.map((spans) => [ansiLine(spans), "\n"]),
  );
}

/** @param {import("../app/vdom.js").VElement[]} parts @param {string} label */
export function ansiBox(parts, label) {
  return h("pre", { class: "ansi", tabindex: "0", role: "group", "aria-label": label }, parts);
}
