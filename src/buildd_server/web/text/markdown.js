// Reads the Markdown that agents write, as data: text stays text, no image is fetched and no
// markup of HTML has an effect. The time is linear in the text, the nesting is bounded.
//
// Of CommonMark's examples we leave out on purpose: link reference definitions and the links and
// images that use them (`[a]`, `[a][b]`), HTML blocks and inline HTML (shown as text), most named
// entities, relative links, titles of links, all but leading tabs, nesting beyond 16, and some
// lazy lines; of GitHub's: bare `www.` and mail addresses, and `~one~` tilde.

import { parseInline } from "./markdown-inline.js";
import {
  closesFence,
  heading,
  indentOf,
  interrupts,
  isBlank,
  isLeaf,
  isRule,
  listMarker,
  openFence,
  quoted,
  underline,
  untabbed,
} from "./markdown-lines.js";
import { columns, rowOf } from "./markdown-tables.js";
import { visible } from "./visible.js";

/** @typedef {import("./markdown-inline.js").Inline} Inline */
/** @typedef {import("./markdown-tables.js").Align} Align */
/** @typedef {import("./markdown-lines.js").Marker} Marker */
/** @typedef {import("./markdown-lines.js").Fence} Fence */

/**
 * An item of a list; of a task list, whether it is done.
 *
 * @typedef {{done: boolean | null, blocks: Block[]}} Item
 */

/**
 * A part of a document. Rows of tables may have fewer or more cells than there are columns; lists
 * are tight where no blank line parts their items.
 *
 * @typedef {{type: "heading", level: number, content: Inline[]}
 *   | {type: "paragraph", content: Inline[]}
 *   | {type: "code", language: string, text: string}
 *   | {type: "quote", blocks: Block[]}
 *   | {type: "list", ordered: boolean, start: number, tight: boolean, items: Item[]}
 *   | {type: "table", align: Align[], head: Inline[][], rows: Inline[][][]}
 *   | {type: "rule"}} Block
 */

/** @typedef {{lines: string[], at: number, depth: number}} Cursor The next line, and its nesting. */

const DEEPEST = 16;
const CODE_INDENT = 4;

/**
 * @param {string} text
 * @returns {Block[]}
 */
export function parseMarkdown(text) {
  const source = visible(text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n"));
  const lines = source.split("\n").map((line) => untabbed(line));
  return parseBlocks(lines, 0);
}

/**
 * @param {string[]} lines
 * @param {number} depth
 * @returns {Block[]}
 */
function parseBlocks(lines, depth) {
  if (depth > DEEPEST) {
    return [{ type: "paragraph", content: [{ type: "text", text: lines.join("\n") }] }];
  }
  const cursor = { lines, at: 0, depth };
  /** @type {Block[]} */
  const blocks = [];
  while (cursor.at < lines.length) {
    if (isBlank(peek(cursor))) cursor.at += 1;
    else blocks.push(readBlock(cursor));
  }
  return blocks;
}

/** @param {Cursor} cursor */
function peek(cursor) {
  return cursor.lines[cursor.at] ?? "";
}

/**
 * @param {Cursor} cursor
 * @returns {Block}
 */
function readBlock(cursor) {
  const line = peek(cursor);
  if (indentOf(line) >= CODE_INDENT) return readIndentedCode(cursor);
  const fence = openFence(line);
  if (fence !== null) return readFencedCode(cursor, fence);
  const head = heading(line);
  if (head !== null || isRule(line)) {
    cursor.at += 1;
    if (head === null) return { type: "rule" };
    return { type: "heading", level: head.level, content: parseInline(head.text) };
  }
  if (quoted(line) !== null) return readQuote(cursor);
  const marker = listMarker(line);
  if (marker !== null) return readList(cursor, marker);
  const align = columns(line, cursor.lines[cursor.at + 1]);
  return align === null ? readParagraph(cursor) : readTable(cursor, align);
}

/**
 * @param {Cursor} cursor
 * @returns {Block}
 */
function readIndentedCode(cursor) {
  /** @type {string[]} */
  const lines = [];
  for (; cursor.at < cursor.lines.length; cursor.at += 1) {
    const line = peek(cursor);
    if (indentOf(line) < CODE_INDENT && !isBlank(line)) break;
    lines.push(line.slice(CODE_INDENT));
  }
  dropBlankEnd(lines);
  return { type: "code", language: "", text: lines.join("\n") };
}

/**
 * @param {string[]} lines
 * @returns {boolean} whether there was any
 */
function dropBlankEnd(lines) {
  const length = lines.length;
  while (lines.length > 0 && isBlank(lines.at(-1) ?? "")) lines.pop();
  return lines.length < length;
}

/**
 * @param {Cursor} cursor
 * @param {Fence} fence
 * @returns {Block}
 */
function readFencedCode(cursor, fence) {
  /** @type {string[]} */
  const lines = [];
  cursor.at += 1;
  for (; cursor.at < cursor.lines.length; cursor.at += 1) {
    const line = peek(cursor);
    if (closesFence(fence, line)) break;
    lines.push(line.slice(Math.min(fence.indent, indentOf(line))));
  }
  cursor.at += 1;
  const [language = ""] = fence.info.split(/[ \t{,]/, 1);
  return { type: "code", language, text: lines.join("\n") };
}

/**
 * @param {Cursor} cursor
 * @returns {Block}
 */
function readQuote(cursor) {
  const follow = continuation();
  /** @type {string[]} */
  const lines = [];
  for (; cursor.at < cursor.lines.length; cursor.at += 1) {
    const line = peek(cursor);
    const said = quoted(line) ?? (follow.goesOn(line) ? line : null);
    if (said === null) break;
    follow.saw(said);
    lines.push(said);
  }
  return { type: "quote", blocks: parseBlocks(lines, cursor.depth + 1) };
}

/** Knows whether a line belongs to the paragraph before it though it lacks the quote's or item's sign. */
function continuation() {
  /** @type {Fence | null} */
  let fence = null;
  let open = false;
  return {
    /** @param {string} line */
    saw(line) {
      const opened = openFence(line);
      const closed = fence !== null && closesFence(fence, line);
      const said = listMarker(line)?.rest ?? line;
      open = fence === null && !isBlank(said) && !isLeaf(said) && !isRule(line);
      fence = fence === null ? opened : closed ? null : fence;
    },
    /** @param {string} line */
    goesOn(line) {
      return open && !isBlank(line) && !interrupts(line) && listMarker(line) === null;
    },
  };
}

/**
 * @param {Cursor} cursor
 * @param {Marker} first
 * @returns {Block}
 */
function readList(cursor, first) {
  /** @type {Item[]} */
  const items = [];
  let tight = true;
  let parted = false;
  /** @type {Marker | null} */
  let marker = first;
  while (marker !== null && marker.kind === first.kind && !isRule(peek(cursor))) {
    const lines = readItem(cursor, marker);
    tight &&= !parted;
    parted = dropBlankEnd(lines);
    const item = itemOf(lines, cursor.depth + 1);
    tight &&= item.blocks.filter((each) => each.type === "paragraph").length < 2;
    items.push(item);
    marker = cursor.at < cursor.lines.length ? listMarker(peek(cursor)) : null;
  }
  const ordered = first.kind === "." || first.kind === ")";
  return { type: "list", ordered, start: first.start, tight, items };
}

/**
 * @param {Cursor} cursor
 * @param {Marker} marker
 */
function readItem(cursor, marker) {
  const follow = continuation();
  const lines = [marker.rest];
  follow.saw(marker.rest);
  cursor.at += 1;
  for (; cursor.at < cursor.lines.length; cursor.at += 1) {
    const line = peek(cursor);
    if (lines.length > 1 && isBlank(`${lines[0]}${lines[1]}`) && !isBlank(line)) break;
    const isInside = isBlank(line) || indentOf(line) >= marker.offset;
    if (!isInside && !follow.goesOn(line)) break;
    const said = isInside ? line.slice(marker.offset) : line;
    follow.saw(said);
    lines.push(said);
  }
  return lines;
}

/**
 * @param {string[]} lines
 * @param {number} depth
 * @returns {Item}
 */
function itemOf(lines, depth) {
  const [first = "", ...rest] = lines;
  const box = /^ {0,3}\[([ xX])\][ \t]+(?=\S)/.exec(first);
  if (box === null) return { done: null, blocks: parseBlocks(lines, depth) };
  const blocks = parseBlocks([first.slice(box[0].length), ...rest], depth);
  return { done: box[1] !== " ", blocks };
}

/**
 * @param {Cursor} cursor
 * @param {Align[]} align
 * @returns {Block}
 */
function readTable(cursor, align) {
  const head = rowOf(peek(cursor)).map(parseInline);
  /** @type {Inline[][][]} */
  const rows = [];
  cursor.at += 2;
  for (; cursor.at < cursor.lines.length; cursor.at += 1) {
    const line = peek(cursor);
    if (isBlank(line) || interrupts(line)) break;
    rows.push(rowOf(line).map(parseInline));
  }
  return { type: "table", align, head, rows };
}

/**
 * @param {Cursor} cursor
 * @returns {Block}
 */
function readParagraph(cursor) {
  const lines = [peek(cursor).trimStart()];
  cursor.at += 1;
  for (; cursor.at < cursor.lines.length; cursor.at += 1) {
    const line = peek(cursor);
    const level = underline(line);
    if (level !== null) {
      cursor.at += 1;
      return { type: "heading", level, content: parseInline(lines.join("\n").trim()) };
    }
    if (isBlank(line) || interrupts(line)) break;
    if (columns(line, cursor.lines[cursor.at + 1]) !== null) break;
    lines.push(line.trimStart());
  }
  return { type: "paragraph", content: parseInline(lines.join("\n").trim()) };
}
