// Reads the board's tasks: of every status the newest first, page after page as people scroll, and
// the counts of all. Old columns stand until new ones have been read, so that nothing flickers.

import { ApiError } from "../../app/api.js";
import { accepts, COLUMNS, filtersOf, floor, grouped, placeOf, queryOf } from "./columns.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Task} Task
 * @typedef {import("./columns.js").Known & {reading: boolean}} Lane
 */

const PAGE = 200;
const RETRY = 5000; // Milliseconds after a page could not be read.
const RECOUNT = 2500; // Counts are not read more often than this.

/** @param {App} app */
export function createLanes(app) {
  let filters = filtersOf({});
  let key = "";
  /** @type {Map<string, Lane>} */
  let lanes = new Map();
  /** @type {Record<string, number> | null} */
  let counts = null;
  let counting = 0;
  let steady = false;
  let cached = { key: "", groups: /** @type {Task[][]} */ (COLUMNS.map(() => [])) };

  /** @param {Record<string, string>} query of the page's address */
  function filter(query) {
    const wanted = filtersOf(query);
    if (JSON.stringify(wanted) === key) return;
    filters = wanted;
    key = JSON.stringify(wanted);
    counts = null;
    void readAnew([...statuses()].map((each) => [each, null]));
    void count();
  }

  /** Events were missed: read again what was read. */
  function again() {
    counts = null;
    void readAnew([...lanes].map(([status, { oldest }]) => [status, oldest]));
    void count();
  }

  /**
   * Read every status down to where it was known, and show the result at once.
   * @param {[status: string, downTo: string | null][]} wanted
   */
  async function readAnew(wanted) {
    const ours = new Map(wanted.map(([status]) => [status, lane()]));
    lanes = ours;
    steady = cached.key !== "";
    await Promise.all(wanted.map(([status, downTo]) => read(ours, status, downTo)));
    if (lanes === ours) steady = false;
    app.redraw();
  }

  /**
   * Read the next page of a status, or all pages down to an id.
   * @param {Map<string, Lane>} ours
   * @param {string} status
   * @param {string | null} [downTo]
   */
  async function read(ours, status, downTo = null) {
    const lane = ours.get(status);
    if (!lane || lane.reading || lane.all) return;
    lane.reading = true;
    try {
      do {
        const query = { ...queryOf(filters), status, limit: PAGE, cursor: lane.oldest };
        const page = await app.api.page("/tasks", query);
        if (lanes !== ours) return;
        app.store.tasks.putAll(page.items);
        Object.assign(lane, {
          oldest: page.items.at(-1)?.id ?? lane.oldest,
          all: page.next === null,
        });
      } while (!lane.all && downTo !== null && (lane.oldest ?? "") > downTo);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      app.overlays.toast(error.message, "error");
      await new Promise((resolve) => setTimeout(resolve, RETRY));
    } finally {
      lane.reading = false;
      app.redraw();
    }
  }

  /** The end of a column is in sight. @param {number} place */
  function more(place) {
    const known = of(place);
    if (steady || known.some(([, { reading }]) => reading)) return;
    const lowest = floor(known.map(([, lane]) => lane));
    const missing = known.find(([, { oldest, all }]) => !all && oldest === lowest);
    if (missing) void read(lanes, missing[0]);
  }

  /** @param {number} place @returns {[string, Lane][]} */
  function of(place) {
    return (COLUMNS[place]?.statuses ?? []).map((each) => [each, lanes.get(each) ?? lane()]);
  }

  function floors() {
    return COLUMNS.map((_, place) => floor(of(place).map(([, lane]) => lane)));
  }

  /** The tasks of each column, made anew only if something has changed. */
  function groups() {
    if (steady) return cached.groups;
    const lowest = floors();
    const now = `${app.store.tasks.version} ${key} ${lowest}`;
    if (now !== cached.key)
      cached = { key: now, groups: grouped(app.store.tasks.newest(), lowest, accepts(filters)) };
    return cached.groups;
  }

  async function count() {
    const asked = key;
    counting = Date.now();
    try {
      const read = await app.api.get("/tasks/counts", queryOf(filters));
      if (asked === key) counts = read;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    app.redraw();
  }

  function recount() {
    const wait = Math.max(0, counting + RECOUNT - Date.now());
    if (counting > Date.now()) return;
    counting = Date.now() + wait;
    setTimeout(count, wait);
  }

  /** How many tasks a column has, in words: exact where all are known. @param {number} place */
  function total(place) {
    const known = of(place);
    const loaded = groups()[place]?.length ?? 0;
    if (!steady && known.every(([, { all }]) => all)) return { number: loaded, exact: true };
    if (counts === null) return { number: loaded, exact: false };
    const { statuses } = /** @type {import("./columns.js").Column} */ (COLUMNS[place]);
    return { number: statuses.reduce((sum, each) => sum + (counts?.[each] ?? 0), 0), exact: true };
  }

  /**
   * One that nobody has read may belong into a part that is shown.
   * @param {import("../../types.js").Event} event
   */
  function hear({ type, taskId, workspaceId, data }) {
    if (!type.startsWith("task:")) return;
    recount();
    const status = type === "task:cancelled" ? "cancelled" : String(data.status ?? "");
    if (!taskId || !status || app.store.tasks.get(taskId)) return;
    const lowest = floors()[placeOf(status)];
    const elsewhere = filters.workspace && filters.workspace !== workspaceId;
    if (lowest != null && taskId >= lowest && !elsewhere) app.store.refresh(taskId);
  }

  return {
    filter,
    again,
    more,
    groups,
    total,
    hear,
    get filters() {
      return filters;
    },
    /** Whether the columns are known as far as they are shown. */
    get ready() {
      return !steady && floors().every((each) => each !== null);
    },
  };
}

function statuses() {
  return COLUMNS.flatMap((each) => each.statuses);
}

/** @returns {Lane} */
function lane() {
  return { oldest: null, all: false, reading: false };
}
