// Where the comments on an artifact stand: under the line that they are about, or, if that is not
// what it was, at the end of the file or of the whole.

import { locate } from "./diff-lines.js";

/** @typedef {import("./diff-lines.js").File} File */
/** @typedef {import("../types.js").Comment} Comment */

/**
 * @typedef {object} Placed
 * @property {Map<number, Comment[]>} lines by where the line starts
 * @property {Map<File, Comment[]>} files whose line is another one now
 * @property {Comment[]} rest on the whole, or on what is not there
 */

/**
 * @param {File[]} files
 * @param {Comment[]} comments
 * @returns {Placed} each in the order in which they were written
 */
export function place(files, comments) {
  /** @type {Placed} */
  const placed = { lines: new Map(), files: new Map(), rest: [] };
  for (const comment of inOrder(comments)) {
    const { selection } = comment;
    const found = selection && locate(files, selection);
    if (!selection || !found) placed.rest.push(comment);
    else if (found.hunk && says(found.line.raw, selection.text ?? null))
      add(placed.lines, found.line.start, comment);
    else add(placed.files, found.file, comment);
  }
  return placed;
}

/** Ids grow with time. @param {Comment[]} comments */
function inOrder(comments) {
  return [...comments].sort((one, other) => (one.id < other.id ? -1 : 1));
}

/**
 * @param {string} line
 * @param {string | null} quoted of which the line is the last
 */
function says(line, quoted) {
  return quoted === null || line.includes(quoted.slice(quoted.lastIndexOf("\n") + 1));
}

/**
 * @template K
 * @param {Map<K, Comment[]>} lists
 * @param {K} key
 * @param {Comment} comment
 */
function add(lists, key, comment) {
  const list = lists.get(key);
  if (list) list.push(comment);
  else lists.set(key, [comment]);
}
