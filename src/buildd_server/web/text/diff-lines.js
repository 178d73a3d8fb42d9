// What a diff is made of, and where each of its lines stands in the whole content: comments are
// tied to lines by offsets, which the API counts in characters as Python does (code points).

/**
 * One line; `start` and `end` are offsets in code points, the line break left out.
 *
 * @typedef {object} Line
 * @property {"context" | "added" | "removed" | "note" | "hunk" | "header" | "plain"} kind
 * @property {number | null} before its number in the old file
 * @property {number | null} after its number in the new file
 * @property {string} text without the marker in front and a carriage return at the end
 * @property {string} raw as it stands in the content
 * @property {number} start
 * @property {number} end
 */

/**
 * Lines that follow each other; without a header they are plain text.
 *
 * @typedef {object} Hunk
 * @property {Line | null} header the line with the numbers
 * @property {string} section what git found to stand around it: a function's name
 * @property {Line[]} lines
 */

/**
 * What happened to one file. Text outside of any file and combined diffs are "plain": one hunk
 * without a header, to be shown as it is.
 *
 * @typedef {object} File
 * @property {"added" | "deleted" | "modified" | "renamed" | "copied" | "plain"} status
 * @property {string} path the new one, of a deleted file the old one, of plain text ""
 * @property {string | null} oldPath where it was renamed or copied from
 * @property {string | null} oldMode
 * @property {string | null} newMode
 * @property {boolean} binary
 * @property {number} added how many lines
 * @property {number} removed how many lines
 * @property {Line[]} headers what stands before the first hunk
 * @property {Hunk[]} hunks
 */

/** @typedef {{start: number, end: number, text?: string | null}} Selection As the API has it. */

/**
 * Cut the content into lines, of which none is known for more than plain yet.
 *
 * @param {string} content
 */
export function split(content) {
  /** @type {Line[]} */
  const lines = [];
  let offset = 0;
  let from = 0;
  while (from < content.length) {
    const found = content.indexOf("\n", from);
    const to = found === -1 ? content.length : found;
    const raw = content.slice(from, to);
    const end = offset + codePoints(raw);
    const text = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    lines.push({ kind: "plain", before: null, after: null, text, raw, start: offset, end });
    offset = end + 1;
    from = to + 1;
  }
  return lines;
}

/**
 * How long a text is as Python counts.
 *
 * @param {string} text
 */
function codePoints(text) {
  let count = text.length;
  for (let at = 1; at < text.length; at += 1) {
    if ((text.charCodeAt(at) & 0xfc00) !== 0xdc00) continue;
    if ((text.charCodeAt(at - 1) & 0xfc00) === 0xd800) count -= 1;
  }
  return count;
}

/** @returns {File} about which nothing is known yet */
export function blank() {
  return {
    status: "plain",
    path: "",
    oldPath: null,
    oldMode: null,
    newMode: null,
    binary: false,
    added: 0,
    removed: 0,
    headers: [],
    hunks: [],
  };
}

/**
 * What a comment on these lines is about.
 *
 * @param {Line[]} lines at least one, as they follow each other in the content
 * @returns {{start: number, end: number, text: string}}
 */
export function select(lines) {
  const [first] = lines;
  const last = lines.at(-1);
  if (first === undefined || last === undefined) throw new RangeError("no line is selected");
  return { start: first.start, end: last.end, text: lines.map((each) => each.raw).join("\n") };
}

/**
 * The last line that a comment is about, under which it belongs.
 *
 * @param {File[]} files
 * @param {Selection} selection
 * @returns {{file: File, hunk: Hunk | null, line: Line} | null} nothing if it is beyond the content
 */
export function locate(files, selection) {
  const offset = Math.max(selection.start, selection.end - 1);
  for (const file of files) {
    const header = holding(file.headers, offset);
    if (header !== null) return { file, hunk: null, line: header };
    for (const hunk of file.hunks) {
      const first = hunk.header === null ? [] : [hunk.header];
      const line = holding(first, offset) ?? holding(hunk.lines, offset);
      if (line !== null) return { file, hunk, line };
    }
  }
  return null;
}

/**
 * @param {Line[]} lines that follow each other
 * @param {number} offset
 */
function holding(lines, offset) {
  const [first] = lines;
  const last = lines.at(-1);
  if (first === undefined || last === undefined) return null;
  if (offset < first.start || offset > last.end) return null;
  let low = 0;
  let high = lines.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lines[middle]?.end ?? 0) < offset) low = middle + 1;
    else high = middle;
  }
  return lines[low] ?? null;
}
