// Tables as GitHub writes them: rows of cells between bars, below the first a line of dashes.

/** @typedef {"left" | "center" | "right" | null} Align */

const MOST_COLUMNS = 100;
const DASHES = /^:?-+:?$/;

/**
 * How the columns of a table are aligned that begins with these two lines; nothing if none does.
 *
 * @param {string} head
 * @param {string | undefined} dashes
 * @returns {Align[] | null}
 */
export function columns(head, dashes) {
  if (dashes === undefined || !head.includes("|") || !dashes.includes("-")) return null;
  const cells = rowOf(dashes);
  if (cells.length > MOST_COLUMNS || !cells.every((cell) => DASHES.test(cell))) return null;
  return rowOf(head).length === cells.length ? cells.map(alignment) : null;
}

/**
 * @param {string} cell
 * @returns {Align}
 */
function alignment(cell) {
  if (cell.endsWith(":")) return cell.startsWith(":") ? "center" : "right";
  return cell.startsWith(":") ? "left" : null;
}

/**
 * The cells of a row. A bar with a backslash belongs to its cell, even in code.
 *
 * @param {string} line
 */
export function rowOf(line) {
  const row = line.trim();
  /** @type {string[]} */
  const cells = [];
  let from = row.startsWith("|") ? 1 : 0;
  for (let at = from; at < row.length; at += 1) {
    if (row[at] === "\\") at += 1;
    else if (row[at] === "|") {
      cells.push(cellOf(row.slice(from, at)));
      from = at + 1;
    }
  }
  if (from < row.length) cells.push(cellOf(row.slice(from)));
  return cells;
}

/** @param {string} written */
function cellOf(written) {
  return written.trim().replaceAll("\\|", "|");
}
