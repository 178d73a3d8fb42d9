// One line of a terminal. Most are only ever written to at their end; one that is written over, as
// progress bars are, is kept as single cells from then on.

import { visible } from "./visible.js";
import { plural } from "./words.js";

/** @typedef {import("./ansi-style.js").Style} Style */
/** @typedef {{text: string, style: Style}} Span */

/**
 * @typedef {object} Line
 * @property {Span[]} spans what it is made of unless it has cells
 * @property {number} length of the spans
 * @property {Span[] | null} cells a character each
 * @property {number} column of the cells, where the next character goes
 * @property {number} omitted how many characters were too many
 */

const LONGEST = 10_000;
const OMITTED = { classes: "ansi-omitted", color: null, background: null, href: null };

/** @returns {Line} */
export function emptyLine() {
  return { spans: [], length: 0, cells: null, column: 0, omitted: 0 };
}

/**
 * @param {Line} line
 * @returns {Line} that can be written to without changing the other
 */
export function copyLine(line) {
  return { ...line, spans: [...line.spans], cells: line.cells && [...line.cells] };
}

/**
 * @param {Line} line
 * @param {string} text without anything that moves the cursor
 * @param {Style} style
 */
export function write(line, text, style) {
  const shown = visible(text);
  if (line.cells === null) append(line, shown, style);
  else overwrite(line, line.cells, shown, style);
}

/**
 * @param {Line} line
 * @param {string} text
 * @param {Style} style
 */
function append(line, text, style) {
  let room = line.omitted > 0 ? 0 : LONGEST - line.length;
  if (text.length <= room) room = text.length;
  else if ((text.charCodeAt(room) & 0xfc00) === 0xdc00) room = Math.max(0, room - 1);
  const kept = text.slice(0, room);
  line.omitted += text.length - kept.length;
  line.length += kept.length;
  if (kept !== "") join(line.spans, kept, style);
}

/**
 * @param {Span[]} spans
 * @param {string} text
 * @param {Style} style
 */
function join(spans, text, style) {
  const last = spans.at(-1);
  if (last === undefined || !looksSame(last.style, style)) spans.push({ text, style });
  else spans[spans.length - 1] = { text: last.text + text, style };
}

/**
 * @param {Style} one
 * @param {Style} other
 */
function looksSame(one, other) {
  if (one === other) return true;
  if (one.classes !== other.classes || one.href !== other.href) return false;
  return one.color === other.color && one.background === other.background;
}

/**
 * @param {Line} line
 * @param {Span[]} cells
 * @param {string} text
 * @param {Style} style
 */
function overwrite(line, cells, text, style) {
  for (const character of text) {
    const fits = line.column < LONGEST && line.column <= cells.length;
    if (fits) cells[line.column] = { text: character, style };
    line.column += 1;
    if (!fits) line.omitted = Math.max(line.omitted, line.column - cells.length);
  }
}

/**
 * Go back to the beginning, or by one character.
 *
 * @param {Line} line
 * @param {"beginning" | "character"} by
 */
export function goBack(line, by) {
  if (line.cells === null) {
    line.cells = line.spans.flatMap(({ text, style }) =>
      Array.from(text, (character) => ({ text: character, style })),
    );
    line.column = line.cells.length + line.omitted;
    line.spans = [];
  }
  line.column = by === "beginning" ? 0 : Math.max(0, line.column - 1);
}

/**
 * Erase the line, or what is right of the cursor.
 *
 * @param {Line} line
 * @param {"line" | "rest"} what
 */
export function erase(line, what) {
  if (what === "line") Object.assign(line, emptyLine());
  else if (line.cells !== null && line.column <= line.cells.length) {
    line.cells.length = line.column;
    line.omitted = 0;
  }
}

/**
 * @param {Line} line
 * @returns {Span[]}
 */
export function spansOf(line) {
  /** @type {Span[]} */
  const spans = line.cells === null ? [...line.spans] : [];
  for (const { text, style } of line.cells ?? []) join(spans, text, style);
  if (line.omitted > 0) {
    spans.push({ text: `… ${plural(line.omitted, "more character")}`, style: OMITTED });
  }
  return spans;
}
