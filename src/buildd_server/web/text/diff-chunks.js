// Lays a file of a diff out as items to draw, in one column or two, and cuts them into chunks: of a
// long diff only the chunks near what is seen are drawn.

import { sideBySide, wordDiff } from "./diff-pairs.js";
import { visible } from "./visible.js";

/** @typedef {import("./diff-lines.js").Line} Line */
/** @typedef {import("./diff-lines.js").File} File */
/** @typedef {import("./diff-pairs.js").Piece} Piece */

/**
 * @typedef {{kind: "hunk", line: Line}} Head
 * @typedef {{kind: "line", line: Line, beside: Line | null}} One
 * @typedef {{kind: "row", before: Line | null, after: Line | null}} Two
 * @typedef {Head | One | Two} Item
 */

/**
 * Some lines of a hunk that follow each other, and where they stand in the content.
 *
 * @typedef {{header: Line | null, lines: Line[], from: number, to: number}} Chunk
 */

const SIZE = 50; // Lines from which a chunk ends where it may.
const MOST = 400; // Lines at which it ends anyway.
const LONGEST = 2_000; // Characters of a line that are shown: more is nothing that people read.

/**
 * Cut a file into chunks, between the old and the new of one change only if it is enormous.
 *
 * @param {File} file
 * @returns {Chunk[]}
 */
export function chunksOf(file) {
  return file.hunks.flatMap(({ header, lines }) => {
    const starts = [0, ...cuts(lines)];
    return starts.map((start, at) =>
      chunk(at === 0 ? header : null, lines.slice(start, starts[at + 1])),
    );
  });
}

/** @param {Line[]} lines */
function cuts(lines) {
  /** @type {number[]} */
  const found = [];
  let start = 0;
  let replaces = false;
  lines.forEach(({ kind }, at) => {
    const before = lines[at - 1]?.kind ?? "context";
    if (kind !== "added" && before !== "removed") replaces = false;
    const free = kind !== "note" && !replaces;
    if (at - start >= (free ? SIZE : MOST)) {
      start = at;
      found.push(at);
    }
    if (kind === "removed") replaces = true;
  });
  return found;
}

/** @param {Line | null} header @param {Line[]} lines @returns {Chunk} */
function chunk(header, lines) {
  const from = (header ?? lines[0])?.start ?? 0;
  return { header, lines, from, to: (lines.at(-1) ?? header)?.end ?? from };
}

/**
 * How many rows a chunk has, or nearly so, without the work of pairing its lines.
 *
 * @param {Chunk} chunk
 * @param {boolean} split
 */
export function rowsOf({ header, lines }, split) {
  const removed = split ? lines.filter(({ kind }) => kind === "removed").length : 0;
  const added = split ? lines.filter(({ kind }) => kind === "added").length : 0;
  return Number(header !== null) + lines.length - Math.min(removed, added);
}

/**
 * @param {Chunk} chunk
 * @param {boolean} split old beside new
 * @returns {Item[]}
 */
export function itemsOf({ header, lines }, split) {
  /** @type {Item[]} */
  const items = header ? [{ kind: "hunk", line: header }] : [];
  const rows = sideBySide({ header, section: "", lines });
  if (!split || lines[0]?.kind === "plain") return items.concat(oneColumn(lines, rows));
  return items.concat(rows.map((row) => ({ kind: "row", ...row })));
}

/**
 * @param {Line[]} lines
 * @param {import("./diff-pairs.js").Row[]} rows
 * @returns {One[]}
 */
function oneColumn(lines, rows) {
  /** @type {Map<Line, Line>} */
  const beside = new Map();
  for (const { before, after } of rows) {
    if (before === after || before === null || after === null) continue;
    beside.set(before, after).set(after, before);
  }
  return lines.map((line) => ({ kind: "line", line, beside: beside.get(line) ?? null }));
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
