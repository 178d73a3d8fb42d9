// Reads what `git diff` writes, so that it can be shown file by file and commented line by line.
// Nothing is lost and nothing is refused: what isn't understood is kept as plain text.

import { blank, split } from "./diff-lines.js";
import { headerPath, plainPath, sidePath } from "./diff-paths.js";

export { locate, select } from "./diff-lines.js";
export { sideBySide, wordDiff } from "./diff-pairs.js";

/** @typedef {import("./diff-lines.js").Line} Line */
/** @typedef {import("./diff-lines.js").Hunk} Hunk */
/** @typedef {import("./diff-lines.js").File} File */
/** @typedef {{lines: Line[], at: number}} Cursor The lines, and which of them is the next. */

const GIT = "diff --git ";
const COMBINED = ["diff --cc ", "diff --combined "];
const NUMBERS = /^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@/;

/** @type {[string, (file: File, value: string) => void][]} What git says of a file before its hunks. */
const HEADERS = [
  ["index ", () => {}],
  ["similarity index ", () => {}],
  ["dissimilarity index ", () => {}],
  ["old mode ", (file, value) => Object.assign(file, { oldMode: value })],
  ["new mode ", (file, value) => Object.assign(file, { newMode: value })],
  [
    "deleted file mode ",
    (file, value) => Object.assign(file, { status: "deleted", oldMode: value }),
  ],
  ["new file mode ", (file, value) => Object.assign(file, { status: "added", newMode: value })],
  ["rename from ", (file, value) => moved(file, "renamed", { oldPath: plainPath(value) })],
  ["rename to ", (file, value) => moved(file, "renamed", { path: plainPath(value) })],
  ["copy from ", (file, value) => moved(file, "copied", { oldPath: plainPath(value) })],
  ["copy to ", (file, value) => moved(file, "copied", { path: plainPath(value) })],
  ["Binary files ", (file) => Object.assign(file, { binary: true })],
];

/**
 * @param {File} file
 * @param {"renamed" | "copied"} status
 * @param {Partial<File>} paths
 */
function moved(file, status, paths) {
  Object.assign(file, { status }, paths);
}

/**
 * The files of a diff in their order, together with any text around them: every line of the
 * content is in exactly one of them.
 *
 * @param {string} content
 * @returns {File[]}
 */
export function parseDiff(content) {
  /** @type {Cursor} */
  const cursor = { lines: split(content), at: 0 };
  /** @type {File[]} */
  const files = [];
  while (cursor.at < cursor.lines.length) files.push(nextFile(cursor));
  return files;
}

/** @param {Cursor} cursor */
function nextFile(cursor) {
  if (peek(cursor).startsWith(GIT)) return gitFile(cursor);
  if (isCombined(peek(cursor))) return combinedFile(cursor);
  return startsPatch(cursor) ? patchedFile(cursor, blank()) : plainText(cursor);
}

/**
 * @param {Cursor} cursor
 * @param {number} [ahead]
 */
function peek(cursor, ahead = 0) {
  return cursor.lines[cursor.at + ahead]?.text ?? "";
}

/** @param {string} text */
function isCombined(text) {
  return COMBINED.some((each) => text.startsWith(each));
}

/** @param {Cursor} cursor */
function startsPatch(cursor) {
  return (
    peek(cursor).startsWith("--- ") &&
    peek(cursor, 1).startsWith("+++ ") &&
    NUMBERS.test(peek(cursor, 2))
  );
}

/**
 * @param {Cursor} cursor
 * @param {Line[]} into
 * @param {Partial<Line>} known
 */
function take(cursor, into, known) {
  const line = cursor.lines[cursor.at];
  cursor.at += 1;
  if (line !== undefined) into.push(Object.assign(line, known));
}

/** @param {Cursor} cursor */
function plainText(cursor) {
  const file = blank();
  const lines = plainLines(file);
  do take(cursor, lines, {});
  while (cursor.at < cursor.lines.length && !startsFile(cursor));
  return file;
}

/** @param {Cursor} cursor */
function startsFile(cursor) {
  return peek(cursor).startsWith(GIT) || isCombined(peek(cursor)) || startsPatch(cursor);
}

/** @param {Cursor} cursor */
function combinedFile(cursor) {
  const file = blank();
  const [, , path = ""] = split3(peek(cursor));
  file.path = plainPath(path);
  const lines = plainLines(file);
  do take(cursor, lines, {});
  while (cursor.at < cursor.lines.length && !peek(cursor).startsWith("diff --"));
  return file;
}

/** @param {string} text two words and the rest */
function split3(text) {
  const first = text.indexOf(" ");
  const second = text.indexOf(" ", first + 1);
  return [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)];
}

/** @param {File} file */
function plainLines(file) {
  /** @type {Hunk} */
  const hunk = { header: null, section: "", lines: [] };
  file.hunks.push(hunk);
  return hunk.lines;
}

/** @param {Cursor} cursor */
function gitFile(cursor) {
  const file = blank();
  file.path = headerPath(peek(cursor).slice(GIT.length));
  file.status = "modified";
  take(cursor, file.headers, { kind: "header" });
  for (let known = knownHeader(cursor); known !== undefined; known = knownHeader(cursor)) {
    const [prefix, learn] = known;
    learn(file, peek(cursor).slice(prefix.length));
    take(cursor, file.headers, { kind: "header" });
  }
  if (peek(cursor) === "GIT binary patch") return binaryPatch(cursor, file);
  return peek(cursor).startsWith("--- ") ? patchedFile(cursor, file) : file;
}

/** @param {Cursor} cursor */
function knownHeader(cursor) {
  const text = peek(cursor);
  return HEADERS.find(([prefix]) => text.startsWith(prefix));
}

/**
 * @param {Cursor} cursor
 * @param {File} file
 */
function binaryPatch(cursor, file) {
  file.binary = true;
  do take(cursor, file.headers, { kind: "header" });
  while (cursor.at < cursor.lines.length && !peek(cursor).startsWith("diff --"));
  return file;
}

/**
 * @param {Cursor} cursor
 * @param {File} file
 */
function patchedFile(cursor, file) {
  if (peek(cursor, 1).startsWith("+++ ")) {
    namePaths(file, sidePath(peek(cursor).slice(4)), sidePath(peek(cursor, 1).slice(4)));
    take(cursor, file.headers, { kind: "header" });
    take(cursor, file.headers, { kind: "header" });
  }
  while (NUMBERS.test(peek(cursor))) file.hunks.push(nextHunk(cursor, file));
  return file;
}

/**
 * @param {File} file
 * @param {string | null} before
 * @param {string | null} after
 */
function namePaths(file, before, after) {
  file.path = after ?? before ?? file.path;
  if (file.status !== "plain") return;
  file.status = before === null ? "added" : after === null ? "deleted" : "modified";
}

/**
 * @param {Cursor} cursor
 * @param {File} file whose lines are counted
 * @returns {Hunk}
 */
function nextHunk(cursor, file) {
  const [matched, before, removed = "1", after, added = "1"] = NUMBERS.exec(peek(cursor)) ?? [""];
  const at = { before: Number(before), after: Number(after) };
  const end = { before: at.before + Number(removed), after: at.after + Number(added) };
  const header = cursor.lines[cursor.at] ?? null;
  const section = peek(cursor).slice(matched.length).trim();
  /** @type {Hunk} */
  const hunk = { header, section, lines: [] };
  take(cursor, [], { kind: "hunk" });
  while (cursor.at < cursor.lines.length && takeChange(cursor, hunk, at, end));
  file.added += hunk.lines.filter((each) => each.kind === "added").length;
  file.removed += hunk.lines.filter((each) => each.kind === "removed").length;
  return hunk;
}

/** @typedef {{before: number, after: number}} Position The number of a line in either file. */

/**
 * Take the next line if the hunk says that it is one of its own.
 *
 * @param {Cursor} cursor
 * @param {Hunk} hunk
 * @param {Position} at
 * @param {Position} end
 */
function takeChange(cursor, hunk, at, end) {
  const line = peek(cursor);
  const marker = line[0] ?? " ";
  const known = { text: line.slice(1), before: at.before, after: at.after };
  if (marker === "\\") {
    take(cursor, hunk.lines, { kind: "note", text: line.slice(1).trim() });
  } else if (marker === " " && at.before < end.before && at.after < end.after) {
    take(cursor, hunk.lines, { kind: "context", ...known });
    at.before += 1;
    at.after += 1;
  } else if (marker === "-" && at.before < end.before) {
    take(cursor, hunk.lines, { kind: "removed", ...known, after: null });
    at.before += 1;
  } else if (marker === "+" && at.after < end.after) {
    take(cursor, hunk.lines, { kind: "added", ...known, before: null });
    at.after += 1;
  } else return false;
  return true;
}
