// @ts-check
// Lays a file of a diff out as items to draw, in one column or two, and cuts them into chunks: of a
// long diff only the chunks near what is seen are drawn.

import { sideBySide, wordDiff } from "./diff-pairs.js";
import { visible } from "./visible.js";

/** @typedef {import("./diff-lines.js").Line} Line */
/** @typedef {import("./diff-lines.js").File} File */
/** @typedef {import("./diff-lines.js").Hunk} Hunk */
/** @typedef {import("./diff-pairs.js").Piece} Piece */

/**
 * @typedef {{kind: "hunk", line: Line}} Head
 * @typedef {{kind: "line", line: Line, beside: Line | null}} One
 * @typedef {{kind: "row", before: Line | null, after: Line | null}} Two
 * @typedef {Head | One | Two} Item
 */

export const CHUNK = 100;
const LONGEST = 2_000; // Characters of a line that are shown: more is nothing that people read.

/**
 * @param {File} file
 * @param {boolean} split old beside new
 * @returns {Item[]}
 */
export function itemsOf(file, split) {
  return file.hunks.flatMap((hunk) => {
    /** @type {Item[]} */
    const items = hunk.header ? [{ kind: "hunk", line: hunk.header }] : [];
    if (hunk.header === null || !split) return items.concat(oneColumn(hunk));
    return items.concat(sideBySide(hunk).map((row) => ({ kind: "row", ...row })));
  });
}

/**
 * @param {Hunk} hunk
 * @returns {One[]}
 */
function oneColumn(hunk) {
  /** @type {Map<Line, Line | null>} */
  const beside = new Map();
  for (const { before, after } of sideBySide(hunk)) {
    if (before === after || before === null || after === null) continue;
    beside.set(before, after).set(after, before);
  }
  return hunk.lines.map((line) => ({ kind: "line", line, beside: beside.get(line) ?? null }));
}

/**
 * @template T
 * @param {T[]} items
 * @param {number} [size]
 * @returns {T[][]}
 */
export function chunked(items, size = CHUNK) {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, at) => items.slice(at * size, (at + 1) * size));
}

/** The lines that an item shows, each once. @param {Item} item @returns {Line[]} */
export function linesOf(item) {
  if (item.kind !== "row") return [item.line];
  const { before, after } = item;
  return [before, after === before ? null : after].filter((line) => line !== null);
}

/**
 * What of a line is shown, with the words marked that differ from the line in its place.
 *
 * @param {Line} line
 * @param {Line | null} beside
 * @returns {{pieces: Piece[], omitted: number}}
 */
export function piecesOf(line, beside) {
  const { text } = line;
  if (text.length > LONGEST) {
    const end = LONGEST - Number((text.charCodeAt(LONGEST) & 0xfc00) === 0xdc00);
    return { pieces: [plain(text.slice(0, end))], omitted: text.length - end };
  }
  if (beside === null || beside.kind === line.kind || beside.text.length > LONGEST)
    return { pieces: text ? [plain(text)] : [], omitted: 0 };
  const old = line.kind === "removed";
  const words = old ? wordDiff(text, beside.text).before : wordDiff(beside.text, text).after;
  const shown = words.map(({ text, changed }) => ({ text: visible(text), changed }));
  return { pieces: shown, omitted: 0 };
}

/** @param {string} text @returns {Piece} */
function plain(text) {
  return { text: visible(text), changed: false };
}

/**
 * The lines from one to another, in whichever order they are named; only those of one hunk follow
 * each other.
 *
 * @param {File[]} files
 * @param {number} from where one of them starts
 * @param {number} to
 * @returns {Line[]} the second alone if they are not of one hunk
 */
export function between(files, from, to) {
  for (const { hunks } of files)
    for (const { lines } of hunks) {
      const [first, last] = [from, to].sort((one, other) => one - other);
      const start = lines.findIndex((line) => line.start === first);
      const end = lines.findIndex((line) => line.start === last);
      if (start !== -1 && end !== -1) return lines.slice(start, end + 1);
      const alone = lines.find((line) => line.start === to);
      if (alone) return [alone];
    }
  return [];
}
