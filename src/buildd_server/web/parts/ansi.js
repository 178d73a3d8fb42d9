// What a terminal wrote, as elements: colours and emphasis, and links that the reader of it found safe.
// @ts-check

import { h } from "../app/vdom.js";
import { ansi } from "../text/ansi.js";

/** @typedef {import("../text/ansi-line.js").Span} Span */

const PART = 200; // Lines that are laid out together.

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
 * Output as a whole, in parts of which a browser lays out only those in sight.
 * @param {string} text
 * @param {string} [label]
 */
export function ansiView(text, label = "Output") {
  const { lines } = ansi(text.replace(/\n$/, ""));
  const parts = Array.from({ length: Math.ceil(lines.length / PART) }, (_, at) =>
    lines.slice(at * PART, (at + 1) * PART),
  );
  return h(
    "pre",
    { class: "ansi", tabindex: "0", role: "group", "aria-label": label },
    parts.map((lines) =>
      h(
        "div",
        { class: "ansi-part", style: { "--lines": String(lines.length) } },
        lines.map((spans) => [ansiLine(spans), "\n"]),
      ),
    ),
  );
}
