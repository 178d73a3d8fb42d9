// What a single line of Markdown can be the beginning of. Every question is answered in one pass
// over the line, without regular expressions that try again.

/** @typedef {{character: string, length: number, indent: number, info: string}} Fence */

/**
 * The beginning of an item: `offset` is the column where its content stands.
 *
 * @typedef {{kind: string, start: number, offset: number, rest: string}} Marker
 */

const TAB = 4;
const FENCE = /^(`{3,}|~{3,})/;
const MARKER = /^(?:([-+*])|(\d{1,9})([.)]))(?=[ \t]|$)/;

/** @param {string} line */
export function isBlank(line) {
  return line.trim() === "";
}

/**
 * The line with the tabs in front of it as spaces.
 *
 * @param {string} line
 * @param {number} [column] where the line begins
 */
export function untabbed(line, column = 0) {
  let width = column;
  let at = 0;
  for (; line[at] === " " || line[at] === "\t"; at += 1) {
    width += line[at] === " " ? 1 : TAB - (width % TAB);
  }
  return " ".repeat(width - column) + line.slice(at);
}

/** @param {string} line without tabs in front */
export function indentOf(line) {
  let indent = 0;
  while (line[indent] === " ") indent += 1;
  return indent;
}

/**
 * What a line says after its indentation; nothing if that makes it code.
 *
 * @param {string} line
 */
function content(line) {
  const indent = indentOf(line);
  return indent < TAB ? line.slice(indent) : "";
}

/**
 * @param {string} line
 * @returns {Fence | null}
 */
export function openFence(line) {
  const said = content(line);
  const marks = FENCE.exec(said)?.[0];
  if (marks === undefined) return null;
  const info = said.slice(marks.length).trim();
  const character = marks.charAt(0);
  if (character === "`" && info.includes("`")) return null;
  return { character, length: marks.length, indent: indentOf(line), info };
}

/**
 * @param {Fence} fence
 * @param {string} line
 */
export function closesFence(fence, line) {
  const said = content(line).trimEnd();
  return said.length >= fence.length && isOnly(said, fence.character);
}

/**
 * @param {string} text
 * @param {string} character
 */
function isOnly(text, character) {
  for (let at = 0; at < text.length; at += 1) if (text[at] !== character) return false;
  return text !== "";
}

/**
 * @param {string} line
 * @returns {{level: number, text: string} | null}
 */
export function heading(line) {
  const said = content(line);
  let level = 0;
  while (said[level] === "#" && level <= 6) level += 1;
  if (level === 0 || level > 6 || !" \t".includes(said.charAt(level))) return null;
  const text = said.slice(level).trim();
  let end = text.length;
  while (text[end - 1] === "#") end -= 1;
  const closed = end === 0 || text[end - 1] === " " || text[end - 1] === "\t";
  return { level, text: closed ? text.slice(0, end).trimEnd() : text };
}

/**
 * The level of the heading that a line of `===` or `---` makes of the paragraph above.
 *
 * @param {string} line
 */
export function underline(line) {
  const said = content(line).trimEnd();
  if (isOnly(said, "=")) return 1;
  return isOnly(said, "-") ? 2 : null;
}

/** @param {string} line */
export function isRule(line) {
  const said = content(line);
  const character = said.charAt(0);
  if (!"-*_".includes(character)) return false;
  const marks = said.replace(/[ \t]/g, "");
  return marks.length >= 3 && isOnly(marks, character);
}

/**
 * What a line of a quote says in it.
 *
 * @param {string} line
 * @returns {string | null}
 */
export function quoted(line) {
  const said = content(line);
  if (said[0] !== ">") return null;
  const rest = untabbed(said.slice(1), 1);
  return rest[0] === " " ? rest.slice(1) : rest;
}

/**
 * @param {string} line
 * @returns {Marker | null}
 */
export function listMarker(line) {
  const said = content(line);
  const [mark, bullet, number = "1", delimiter] = MARKER.exec(said) ?? [];
  if (mark === undefined) return null;
  const column = line.length - said.length + mark.length;
  const after = untabbed(said.slice(mark.length), column);
  const spaces = indentOf(after);
  const gap = isBlank(after) || spaces > TAB ? 1 : spaces;
  const kind = bullet ?? delimiter ?? "";
  return { kind, start: Number(number), offset: column + gap, rest: after.slice(gap) };
}

/**
 * Whether a paragraph ends before this line though it isn't blank.
 *
 * @param {string} line
 */
export function interrupts(line) {
  if (isRule(line) || isLeaf(line) || quoted(line) !== null) return true;
  const marker = listMarker(line);
  return marker !== null && marker.start === 1 && !isBlank(marker.rest);
}

/**
 * Whether it is a line that no paragraph goes on after.
 *
 * @param {string} line
 */
export function isLeaf(line) {
  return heading(line) !== null || openFence(line) !== null;
}
