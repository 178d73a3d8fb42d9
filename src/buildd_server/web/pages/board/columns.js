// The board's columns: which tasks stand in which, and how far down a column is known without a hole.

/**
 * @typedef {import("../../types.js").Task} Task
 * @typedef {{name: string, title: string, statuses: string[], none: string}} Column
 * @typedef {{workspace: string, route: string, account: string, text: string}} Filters
 * @typedef {{oldest: string | null, all: boolean}} Known `oldest` is the last task that was read of a
 *   status, newest first; null before the first page has come
 */

/** @type {Column[]} */
export const COLUMNS = [
  { name: "waiting", title: "Waiting", statuses: ["pending"], none: "Nothing waits." },
  {
    name: "working",
    title: "At work",
    statuses: ["assigned", "running"],
    none: "Nobody is at work.",
  },
  { name: "done", title: "Done", statuses: ["completed"], none: "Nothing is done yet." },
  {
    name: "failed",
    title: "Failed",
    statuses: ["failed", "cancelled"],
    none: "Nothing has failed.",
  },
];

/** @type {Map<string, number>} */
const PLACE = new Map(COLUMNS.flatMap(({ statuses }, at) => statuses.map((each) => [each, at])));

/** What stands in the address, as filters. @param {Record<string, string>} query @returns {Filters} */
export function filtersOf({ workspace = "", route = "", account = "", text = "" }) {
  return { workspace, route, account, text };
}

/** The same for the API. @param {Filters} filters */
export function queryOf({ workspace, route, account, text }) {
  return { workspaceId: workspace, runnerPreference: route, claimedBy: account, text };
}

/**
 * What the server finds by these filters.
 * @param {Filters} filters
 * @returns {(task: Task) => boolean}
 */
export function accepts({ workspace, route, account, text }) {
  const wanted = text.toLowerCase();
  return (task) =>
    (!workspace || task.workspaceId === workspace) &&
    (!route || task.runnerPreference === route) &&
    (!account || task.claimedBy === account) &&
    (!wanted || finds(task, wanted, text));
}

/** In the title, in capitals or not; or an id as a whole. @param {Task} task @param {string} wanted @param {string} text */
function finds({ id, externalId, title }, wanted, text) {
  return title.toLowerCase().includes(wanted) || id === text || externalId === text;
}

/** Which column a task stands in. @param {string} status */
export function placeOf(status) {
  return PLACE.get(status) ?? 0;
}

/**
 * Down to which id a column is known: "" if all of it is, null if nothing is.
 * @param {Known[]} known of each of its statuses
 */
export function floor(known) {
  let highest = "";
  for (const { oldest, all } of known) {
    if (all) continue;
    if (oldest === null) return null;
    if (oldest > highest) highest = oldest;
  }
  return highest;
}

/**
 * The tasks of each column. What lies below its floor stays out: others are missing between.
 * @param {Task[]} newest all that are known, newest first
 * @param {(string | null)[]} floors
 * @param {(task: Task) => boolean} accepted
 * @returns {Task[][]}
 */
export function grouped(newest, floors, accepted) {
  /** @type {Task[][]} */
  const groups = COLUMNS.map(() => []);
  for (const task of newest) {
    const place = placeOf(task.status);
    const lowest = floors[place];
    if (lowest != null && task.id >= lowest && accepted(task)) groups[place]?.push(task);
  }
  return groups;
}

/**
 * The next place of the keyboard: j and k within a column, h and l to the next that has something.
 * @param {number[]} lengths of the columns
 * @param {{column: number, index: number}} at index -1 before the first
 * @param {string} key
 */
export function moved(lengths, at, key) {
  if (key === "j" || key === "k") {
    const index = at.index + (key === "j" ? 1 : -1);
    return { ...at, index: clamped(index, lengths[at.column] ?? 0) };
  }
  const step = key === "l" ? 1 : -1;
  for (let column = at.column + step; column in lengths; column += step) {
    const length = lengths[column] ?? 0;
    if (length) return { column, index: clamped(at.index, length) };
  }
  return at;
}

/** @param {number} index @param {number} length */
function clamped(index, length) {
  return Math.max(0, Math.min(index, length - 1));
}
