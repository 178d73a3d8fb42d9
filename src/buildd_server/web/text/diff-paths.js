// How git writes paths into a diff: with a prefix, in quotes where a byte is unusual, and in the
// first line without saying where one ends and the other begins.

/** @type {Record<string, number>} */
const ESCAPES = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, "\\": 92 };

/**
 * The path in a line such as `--- "a/tab\there"`; nothing for /dev/null.
 *
 * @param {string} written
 * @returns {string | null}
 */
export function sidePath(written) {
  const quoted = unquote(written);
  const tab = written.indexOf("\t");
  const path = quoted === null ? written.slice(0, tab === -1 ? undefined : tab) : quoted.path;
  return path === "/dev/null" ? null : withoutPrefix(path);
}

/**
 * A path that has no prefix, as in `rename to x`.
 *
 * @param {string} written
 */
export function plainPath(written) {
  return unquote(written)?.path ?? written;
}

/**
 * The new path in what follows `diff --git `. Unquoted, both are the same if they have spaces:
 * git says more below where they are not.
 *
 * @param {string} written
 */
export function headerPath(written) {
  const first = unquote(written);
  if (first !== null) return withoutPrefix(plainPath(written.slice(first.length + 1)));
  const second = written.indexOf(' "');
  if (second !== -1) return withoutPrefix(plainPath(written.slice(second + 1)));
  const middle = (written.length - 1) / 2;
  if (written[middle] === " ") {
    const after = withoutPrefix(written.slice(middle + 1));
    if (withoutPrefix(written.slice(0, middle)) === after) return after;
  }
  return withoutPrefix(written.slice(written.lastIndexOf(" ") + 1));
}

/** @param {string} path with a/, b/ or what diff.mnemonicPrefix puts there */
function withoutPrefix(path) {
  return /^[abciow]\/./.test(path) ? path.slice(2) : path;
}

/**
 * Decode a path in quotes at the beginning: C's escapes stand for bytes of UTF-8.
 *
 * @param {string} written
 * @returns {{path: string, length: number} | null} nothing if it isn't in quotes
 */
function unquote(written) {
  if (!written.startsWith('"')) return null;
  /** @type {number[]} */
  const bytes = [];
  let at = 1;
  while (at < written.length && written[at] !== '"') {
    const octal = octalAt(written, at);
    if (octal !== null) {
      bytes.push(octal);
      at += 4;
    } else if (written[at] === "\\") {
      bytes.push(ESCAPES[written[at + 1] ?? ""] ?? 92);
      at += 2;
    } else {
      const character = String.fromCodePoint(written.codePointAt(at) ?? 0);
      bytes.push(...new TextEncoder().encode(character));
      at += character.length;
    }
  }
  if (at >= written.length) return null;
  return { path: new TextDecoder().decode(new Uint8Array(bytes)), length: at + 1 };
}

/**
 * @param {string} written
 * @param {number} at
 */
function octalAt(written, at) {
  const digits = written.slice(at, at + 4);
  return /^\\[0-3][0-7]{2}$/.test(digits) ? Number.parseInt(digits.slice(1), 8) : null;
}
