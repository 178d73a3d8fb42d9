// What agents cost, as numbers for a chart and its tables: periods of days, stacks of bars, and the
// same as CSV. Days are those of the server, which counts in UTC.

/**
 * @typedef {{day?: string | null, accountId?: string | null, workspaceId?: string | null,
 *   taskId?: string | null, costUsd: number | string, attempts: number}} Spend what the API answers
 * @typedef {{since: string, until: string}} Period two days, both of them within
 * @typedef {"accountId" | "workspaceId"} Owner
 * @typedef {{id: string, place: number | "other", costUsd: number}} Series `place` is that of its colour
 * @typedef {{day: string, costUsd: number, parts: {series: Series, costUsd: number, below: number}[]}} Bar
 */

export const MOST_DAYS = 366;
const MOST_SERIES = 7;
const DAY = 86_400_000;
const OTHER = "other";

/**
 * The period that an address asks for: its last days, or from one day to another.
 *
 * @param {Record<string, string | undefined>} query
 * @param {number} now in ms
 * @returns {Period & {days: number | null}} `days` is null for a period of the reader's own
 */
export function periodOf(query, now) {
  const today = dayOf(now);
  const until = asDay(query.until);
  const since = asDay(query.since);
  if (since || until) {
    const last = earliest(until ?? today, today);
    const first = latest(earliest(since ?? last, last), plus(last, 1 - MOST_DAYS));
    return { since: first, until: last, days: null };
  }
  const days = ["7", "30", "90"].includes(query.days ?? "") ? Number(query.days) : 30;
  return { since: plus(today, 1 - days), until: today, days };
}

/**
 * The period of the same length that ended the day before.
 *
 * @param {Period} period
 * @returns {Period}
 */
export function before({ since, until }) {
  const length = daysOf({ since, until }).length;
  return { since: plus(since, -length), until: plus(since, -1) };
}

/**
 * Its days, first to last.
 *
 * @param {Period} period
 */
export function daysOf({ since, until }) {
  const days = [];
  for (let at = Date.parse(since); at <= Date.parse(until); at += DAY) days.push(dayOf(at));
  return days;
}

/** @param {number} at in ms */
export function dayOf(at) {
  return new Date(at).toISOString().slice(0, 10);
}

/** @param {string} day @param {number} days */
function plus(day, days) {
  return dayOf(Date.parse(day) + days * DAY);
}

/** @param {string | undefined} text */
function asDay(text) {
  if (!text || !/^\d{4}-\d\d-\d\d$/.test(text)) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) || dayOf(at) !== text ? null : text;
}

/** @param {...string} days */
function earliest(...days) {
  return /** @type {string} */ (days.sort()[0]);
}

/** @param {...string} days */
function latest(...days) {
  return /** @type {string} */ (days.sort().at(-1));
}

/**
 * The sum of what was spent.
 *
 * @param {Spend[]} rows
 */
export function total(rows) {
  return rows.reduce((sum, row) => sum + Number(row.costUsd), 0);
}

/**
 * What was spent by each owner, most first.
 *
 * @param {Spend[]} rows
 * @param {Owner} owner
 * @returns {{id: string, costUsd: number, attempts: number}[]}
 */
export function byOwner(rows, owner) {
  /** @type {Map<string, {id: string, costUsd: number, attempts: number}>} */
  const sums = new Map();
  for (const row of rows) {
    const id = row[owner] ?? "";
    const sum = sums.get(id) ?? { id, costUsd: 0, attempts: 0 };
    sum.costUsd += Number(row.costUsd);
    sum.attempts += row.attempts;
    sums.set(id, sum);
  }
  return [...sums.values()].sort((a, b) => b.costUsd - a.costUsd || (a.id < b.id ? -1 : 1));
}

/**
 * The series of a chart: those who spent most, by their ids, so that colours stay where they are
 * while the figures move; and all others as one.
 *
 * @param {Spend[]} rows
 * @param {Owner} owner
 * @returns {Series[]}
 */
export function seriesOf(rows, owner) {
  const sums = byOwner(rows, owner).filter(({ costUsd }) => costUsd > 0);
  const kept = sums.slice(0, MOST_SERIES).sort((a, b) => (a.id < b.id ? -1 : 1));
  /** @type {Series[]} */
  const series = kept.map(({ id, costUsd }, place) => ({ id, costUsd, place }));
  const rest = sums.slice(MOST_SERIES);
  if (rest.length > 0) series.push({ id: OTHER, place: OTHER, costUsd: total(sumsAsRows(rest)) });
  return series;
}

/** @param {{costUsd: number, attempts: number}[]} sums */
function sumsAsRows(sums) {
  return /** @type {Spend[]} */ (sums);
}

/**
 * A bar for every day, those without spending too; its parts lie one on the other.
 *
 * @param {Spend[]} rows
 * @param {string[]} days
 * @param {Owner} owner
 * @param {Series[]} series
 * @returns {Bar[]}
 */
export function barsOf(rows, days, owner, series) {
  const known = new Set(series.map(({ id }) => id));
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const row of rows) {
    const id = known.has(row[owner] ?? "") ? (row[owner] ?? "") : OTHER;
    const key = `${row.day} ${id}`;
    sums.set(key, (sums.get(key) ?? 0) + Number(row.costUsd));
  }
  return days.map((day) => {
    let below = 0;
    const parts = [];
    for (const each of series) {
      const costUsd = sums.get(`${day} ${each.id}`) ?? 0;
      if (costUsd > 0) parts.push({ series: each, costUsd, below });
      below += costUsd;
    }
    return { day, costUsd: below, parts };
  });
}

/**
 * Round values for an axis, from nothing to what holds the highest: steps of 1, 2 or 5 times a power of ten.
 *
 * @param {number} highest
 * @param {number} [steps] about how many
 */
export function ticksOf(highest, steps = 4) {
  if (!(highest > 0)) return [0, 1];
  const rough = highest / steps;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((each) => each * power >= rough * 0.999999) ?? 10;
  const step = factor * power;
  const count = Math.ceil(highest / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

/**
 * All of a period by its days, however many: what is asked answers up to `most` rows, the newest day
 * first. A day that is cut off is asked for again; one that alone has more rows is told by its dearest.
 *
 * @param {(period: Period) => Promise<Spend[]>} ask
 * @param {Period} period
 * @param {number} most
 */
export async function everyDay(ask, { since, until }, most) {
  /** @type {Spend[]} */
  const rows = [];
  let last = until;
  while (since <= last) {
    const found = await ask({ since, until: last });
    const oldest = found.at(-1)?.day;
    if (found.length < most || !oldest) return rows.concat(found);
    const alone = found[0]?.day === oldest;
    rows.push(...(alone ? found : found.filter(({ day }) => day !== oldest)));
    last = alone ? plus(oldest, -1) : oldest;
  }
  return rows;
}

/**
 * How much more or less than before, as a share; null where nothing was spent before.
 *
 * @param {number} now
 * @param {number} earlier
 */
export function change(now, earlier) {
  return earlier > 0 ? (now - earlier) / earlier : null;
}

/**
 * Rows as CSV (RFC 4180). What a spreadsheet would take for a formula is told to it as text.
 *
 * @param {(string | number | null | undefined)[][]} rows
 */
export function csv(rows) {
  return rows.map((row) => `${row.map(csvField).join(",")}\r\n`).join("");
}

/** @param {string | number | null | undefined} value */
function csvField(value) {
  if (typeof value === "number") return String(value);
  const text = String(value ?? "");
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}
