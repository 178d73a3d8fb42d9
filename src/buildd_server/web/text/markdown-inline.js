// Reads the text within a block of Markdown from left to right: code, links, escapes and breaks
// at once, emphasis when it is known what stands between brackets.

import { safeLink } from "./links.js";
import { paired, runAt } from "./markdown-emphasis.js";
import { autolinked, entityAt, isEscapable, targetAt } from "./markdown-text.js";

/**
 * A part of a text. An image is a link to it that says what it shows.
 *
 * @typedef {{type: "text", text: string}
 *   | {type: "code", text: string}
 *   | {type: "break"}
 *   | {type: "emphasis" | "strong" | "strike", content: Inline[]}
 *   | {type: "link", href: string, image: boolean, content: Inline[]}} Inline
 */

/** @typedef {import("./markdown-emphasis.js").Piece} Piece */
/** @typedef {{piece: number, image: boolean}} Bracket Where a link may have begun. */

/**
 * @typedef {object} Scanner
 * @property {string} text
 * @property {number} at
 * @property {Piece[]} pieces
 * @property {Bracket[]} brackets
 * @property {number} barred how many of the brackets have a link in them already
 * @property {Map<number, number[]>} ticks where runs of so many backticks begin, the last one first
 */

const SPECIAL = "\\`*_~[]!<&\n";
const LONGEST_AUTOLINK = 2_100;
/** `<https://example.org>` or `<me@example.org>`; all else in pointed brackets is text. */
const MAIL = /^[\w.+-]{1,64}@[\w.-]{1,255}$/;
/** More that nobody has closed yet are of no use. */
const MOST_BRACKETS = 64;

/**
 * @param {string} text
 * @returns {Inline[]}
 */
export function parseInline(text) {
  /** @type {Scanner} */
  const scanner = { text, at: 0, pieces: [], brackets: [], barred: 0, ticks: tickRuns(text) };
  while (scanner.at < text.length) read(scanner);
  return autolinked(paired(scanner.pieces).nodes);
}

/** @param {string} text */
function tickRuns(text) {
  /** @type {Map<number, number[]>} */
  const runs = new Map();
  for (let at = text.indexOf("`"); at !== -1; at = text.indexOf("`", at)) {
    const end = endOfRun(text, at);
    const places = runs.get(end - at);
    if (places === undefined) runs.set(end - at, [at]);
    else places.push(at);
    at = end;
  }
  for (const places of runs.values()) places.reverse();
  return runs;
}

/** @param {string} text @param {number} from */
function endOfRun(text, from) {
  let at = from;
  while (text[at] === text[from] && at < text.length) at += 1;
  return at;
}

/** @param {Scanner} scanner */
function read(scanner) {
  const { text, at } = scanner;
  const character = text.charAt(at);
  if (character === "\\") readEscape(scanner);
  else if (character === "`") readCode(scanner);
  else if (character === "*" || character === "_" || character === "~") readRun(scanner);
  else if (character === "[") openBracket(scanner, false);
  else if (character === "!" && text[at + 1] === "[") openBracket(scanner, true);
  else if (character === "]") closeBracket(scanner);
  else if (character === "<") readAutolink(scanner);
  else if (character === "\n") readLineEnd(scanner);
  else if (character === "&") readEntity(scanner);
  else readPlain(scanner);
}

/**
 * @param {Scanner} scanner
 * @param {string} text
 * @param {number} end
 */
function say(scanner, text, end) {
  scanner.pieces.push({ node: { type: "text", text }, depth: 0 });
  scanner.at = end;
}

/**
 * @param {Scanner} scanner
 * @param {Inline} node
 * @param {number} end
 */
function make(scanner, node, end) {
  scanner.pieces.push({ node, depth: 0 });
  scanner.at = end;
}

/** @param {Scanner} scanner */
function readPlain(scanner) {
  let end = scanner.at + 1;
  while (end < scanner.text.length && !SPECIAL.includes(scanner.text.charAt(end))) end += 1;
  const said = scanner.text.slice(scanner.at, end);
  if (scanner.text[end] !== "\n" || !said.endsWith(" ")) return say(scanner, said, end);
  const trimmed = said.trimEnd();
  say(scanner, trimmed, end);
  if (said.endsWith("  ")) make(scanner, { type: "break" }, end + 1);
}

/** @param {Scanner} scanner */
function readLineEnd(scanner) {
  say(scanner, "\n", scanner.at + 1);
}

/** @param {Scanner} scanner */
function readEscape(scanner) {
  const next = scanner.text.charAt(scanner.at + 1);
  if (next === "\n") make(scanner, { type: "break" }, scanner.at + 2);
  else if (isEscapable(next)) say(scanner, next, scanner.at + 2);
  else say(scanner, "\\", scanner.at + 1);
}

/** @param {Scanner} scanner */
function readEntity(scanner) {
  const entity = entityAt(scanner.text, scanner.at);
  if (entity === null) say(scanner, "&", scanner.at + 1);
  else say(scanner, entity.text, entity.end);
}

/** @param {Scanner} scanner */
function readCode(scanner) {
  const { text, at, ticks } = scanner;
  const start = endOfRun(text, at);
  const places = ticks.get(start - at) ?? [];
  while ((places.at(-1) ?? start) < start) places.pop();
  const closing = places.at(-1);
  if (closing === undefined) return say(scanner, text.slice(at, start), start);
  const code = text.slice(start, closing).replaceAll("\n", " ");
  const isPadded = code.startsWith(" ") && code.endsWith(" ") && code.trim() !== "";
  const node = { type: /** @type {const} */ ("code"), text: isPadded ? code.slice(1, -1) : code };
  make(scanner, node, closing + start - at);
}

/** @param {Scanner} scanner */
function readRun(scanner) {
  const end = endOfRun(scanner.text, scanner.at);
  const run = runAt(scanner.text, scanner.at, end);
  if (run.opens || run.closes) scanner.pieces.push({ run });
  else say(scanner, scanner.text.slice(scanner.at, end), end);
  scanner.at = end;
}

/** @param {Scanner} scanner */
function readAutolink(scanner) {
  const { text, at } = scanner;
  let end = at + 1;
  const last = Math.min(text.length, at + LONGEST_AUTOLINK);
  while (end < last && !"<> \n".includes(text.charAt(end))) end += 1;
  const said = text.slice(at + 1, end);
  const href = text[end] === ">" ? safeLink(MAIL.test(said) ? `mailto:${said}` : said) : null;
  if (href === null) return say(scanner, "<", at + 1);
  make(
    scanner,
    { type: "link", href, image: false, content: [{ type: "text", text: said }] },
    end + 1,
  );
  scanner.barred = scanner.brackets.length;
}

/**
 * @param {Scanner} scanner
 * @param {boolean} image
 */
function openBracket(scanner, image) {
  const { at, pieces, brackets } = scanner;
  brackets.push({ piece: pieces.length, image });
  if (brackets.length > MOST_BRACKETS) {
    brackets.shift();
    scanner.barred = Math.max(0, scanner.barred - 1);
  }
  say(scanner, image ? "![" : "[", at + (image ? 2 : 1));
}

/** @param {Scanner} scanner */
function closeBracket(scanner) {
  const { text, at, pieces, brackets } = scanner;
  const bracket = brackets.pop();
  const barred = brackets.length < scanner.barred && !bracket?.image;
  scanner.barred = Math.min(scanner.barred, brackets.length);
  const target = bracket === undefined || barred ? null : targetAt(text, at + 1);
  if (bracket === undefined || target === null || target.href === null) {
    return say(scanner, "]", at + 1);
  }
  const { nodes, depth } = paired(pieces.splice(bracket.piece).slice(1));
  const content = bracket.image ? alternative(nodes, target.href) : nodes.map(withoutLink);
  const node = /** @type {const} */ ({
    type: "link",
    href: target.href,
    image: bracket.image,
    content,
  });
  pieces.push({ node, depth: depth + 1 });
  scanner.at = target.end;
  if (!bracket.image) scanner.barred = brackets.length;
}

/**
 * What an image shows, or else where it is.
 *
 * @param {Inline[]} nodes
 * @param {string} href
 * @returns {Inline[]}
 */
function alternative(nodes, href) {
  return [{ type: "text", text: nodes.map(textOf).join("").trim() || href }];
}

/**
 * @param {Inline} node
 * @returns {string}
 */
function textOf(node) {
  if (node.type === "break") return "\n";
  return "content" in node ? node.content.map(textOf).join("") : node.text;
}

/**
 * No link is in a link: of an image only its words are.
 *
 * @param {Inline} node
 * @returns {Inline}
 */
function withoutLink(node) {
  if (node.type === "link") return { type: "text", text: textOf(node) };
  return "content" in node ? { ...node, content: node.content.map(withoutLink) } : node;
}
