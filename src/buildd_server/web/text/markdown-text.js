// The smallest pieces of Markdown's text: escapes, entities, and the addresses of links, of which
// only safe ones become any.

import { safeLink } from "./links.js";
import { visible } from "./visible.js";

/** @typedef {import("./markdown-inline.js").Inline} Inline */

const ESCAPABLE = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
const ENTITY = /&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([A-Za-z][A-Za-z\d]{1,31}));/y;
/** @type {Record<string, string>} */
const NAMED = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00a0",
  copy: "©",
  reg: "®",
  trade: "™",
  hellip: "…",
  ndash: "–",
  mdash: "—",
  larr: "←",
  rarr: "→",
  times: "×",
  middot: "·",
  bull: "•",
  colon: ":",
  sol: "/",
  num: "#",
  lpar: "(",
  rpar: ")",
  Tab: "\t",
  NewLine: "\n",
};
const LONGEST_ADDRESS = 2_100;
const DEEPEST_PARENTHESES = 32;
const MOST_SPACE = 100;

/** @param {string} character */
export function isEscapable(character) {
  return character !== "" && ESCAPABLE.includes(character);
}

/**
 * The entity at a place of a text.
 *
 * @param {string} text
 * @param {number} at
 * @returns {{text: string, end: number} | null}
 */
export function entityAt(text, at) {
  ENTITY.lastIndex = at;
  const [all, decimal, hex, name] = ENTITY.exec(text) ?? [];
  if (all === undefined) return null;
  const end = at + all.length;
  if (name !== undefined) {
    const known = Object.hasOwn(NAMED, name) ? NAMED[name] : undefined;
    return known === undefined ? null : { text: known, end };
  }
  const code = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal);
  const isCharacter = code > 0 && code <= 0x10ffff;
  return { text: isCharacter ? visible(String.fromCodePoint(code)) : "\ufffd", end };
}

/**
 * A text without its escapes and entities.
 *
 * @param {string} text
 */
function decoded(text) {
  let said = "";
  for (let at = 0; at < text.length; at += 1) {
    const entity = text[at] === "&" ? entityAt(text, at) : null;
    if (entity !== null) {
      said += entity.text;
      at = entity.end - 1;
    } else {
      if (text[at] === "\\" && isEscapable(text.charAt(at + 1))) at += 1;
      said += text.charAt(at);
    }
  }
  return said;
}

/**
 * Read `(address "title")` behind the text of a link.
 *
 * @param {string} text
 * @param {number} from where the parenthesis is
 * @returns {{href: string | null, end: number} | null} where it ends, if it is one at all
 */
export function targetAt(text, from) {
  if (text[from] !== "(") return null;
  const start = afterSpace(text, from + 1);
  const stop = text[start] === "<" ? endOfPointed(text, start) : endOfPlain(text, start);
  if (stop === null) return null;
  const written = text[start] === "<" ? text.slice(start + 1, stop - 1) : text.slice(start, stop);
  const gap = afterSpace(text, stop);
  const end = gap > stop ? afterSpace(text, endOfTitle(text, gap)) : gap;
  return text[end] === ")" ? { href: safeLink(decoded(written)), end: end + 1 } : null;
}

/** @param {string} text @param {number} from */
function afterSpace(text, from) {
  let at = from;
  while (at < from + MOST_SPACE && (text[at] === " " || text[at] === "\n")) at += 1;
  return at;
}

/** @param {string} text @param {number} from */
function endOfPointed(text, from) {
  for (let at = from + 1; at < text.length && at - from < LONGEST_ADDRESS; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === ">") return at + 1;
    else if (text[at] === "<" || text[at] === "\n") return null;
  }
  return null;
}

/** @param {string} text @param {number} from */
function endOfPlain(text, from) {
  let open = 0;
  for (let at = from; at < text.length && at - from < LONGEST_ADDRESS; at += 1) {
    const character = text.charAt(at);
    if (character === "\\") at += 1;
    else if (character === "(") open += 1;
    else if (character === ")") open -= 1;
    if (open > DEEPEST_PARENTHESES) return null;
    if (open < 0 || character === " " || character === "\n") return at;
  }
  return null;
}

/** @param {string} text @param {number} from */
function endOfTitle(text, from) {
  const quote = text.charAt(from);
  if (quote === "" || !"\"'(".includes(quote)) return from;
  const closing = quote === "(" ? ")" : quote;
  for (let at = from + 1; at < text.length && at - from < LONGEST_ADDRESS; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === closing) return at + 1;
    else if (quote === "(" && text[at] === "(") break;
  }
  return from;
}

/**
 * The nodes with addresses that stand in their text as links.
 *
 * @param {Inline[]} nodes
 * @returns {Inline[]}
 */
export function autolinked(nodes) {
  return nodes.flatMap((node) => {
    if (node.type === "text") return linksIn(node.text);
    const isSpan = node.type === "emphasis" || node.type === "strong" || node.type === "strike";
    return [isSpan ? { ...node, content: autolinked(node.content) } : node];
  });
}

/**
 * @param {string} text
 * @returns {Inline[]}
 */
function linksIn(text) {
  /** @type {Inline[]} */
  const nodes = [];
  let done = 0;
  for (const { index, 0: found } of text.matchAll(/https?:\/\/[^\s<>"`|]+/gi)) {
    const address = trimmed(found);
    const isApart = index === 0 || !/[\p{L}\p{N}_]/u.test(text.charAt(index - 1));
    const href = isApart ? safeLink(address) : null;
    if (href === null) continue;
    if (index > done) nodes.push({ type: "text", text: text.slice(done, index) });
    nodes.push({ type: "link", href, image: false, content: [{ type: "text", text: address }] });
    done = index + address.length;
  }
  if (done < text.length) nodes.push({ type: "text", text: text.slice(done) });
  return nodes;
}

/** An address without what rather belongs to the sentence around it. @param {string} address */
function trimmed(address) {
  let surplus = 0;
  for (const character of address) {
    if (character === ")") surplus += 1;
    if (character === "(") surplus -= 1;
  }
  let end = address.length;
  for (; end > 0; end -= 1) {
    const last = address.charAt(end - 1);
    if (last === ")" && surplus > 0) surplus -= 1;
    else if (!"?!.,:;*_~'\\]".includes(last)) break;
  }
  return address.slice(0, end);
}
