// Numbers, money and times as people read them: one place, so that a sum or a date looks the same
// on every page. The words are English, the time zone is the reader's.

/** @typedef {string | number | Date} Instant ISO 8601 (UTC where it names no zone), ms, or a Date. */

const LOCALE = "en-US";
const DATES = "en-GB";
const MISSING = "–";
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MONTH = 30 * DAY;

const WHOLE = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const DOLLARS = usd({ maximumFractionDigits: 0 });
const CENTS = usd({ minimumFractionDigits: 2, maximumFractionDigits: 2 });
const FRACTIONS = usd({ maximumSignificantDigits: 2 });
const ONE_DECIMAL = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1 });

/** @param {Intl.NumberFormatOptions} digits */
function usd(digits) {
  return new Intl.NumberFormat(LOCALE, { style: "currency", currency: "USD", ...digits });
}

/**
 * US dollars with the digits that matter: $0.0031, $12.40, $1,204.
 *
 * @param {number | string | null | undefined} amount as the API gives it, a decimal in a string
 */
export function money(amount) {
  const value = numeric(amount);
  if (value === null) return MISSING;
  const size = Math.abs(value);
  if (size === 0) return "$0";
  if (size < 0.0001) return value < 0 ? "-<$0.0001" : "<$0.0001";
  if (size < 0.01) return FRACTIONS.format(value);
  return (size < 999.995 ? CENTS : DOLLARS).format(value);
}

/** @param {number | string | null | undefined} value */
function numeric(value) {
  if (value === null || value === undefined || value === "") return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

/** @param {number | null | undefined} value "1,204" */
export function count(value) {
  const number = numeric(value);
  return number === null ? MISSING : WHOLE.format(number);
}

/**
 * A count and its noun: "1 task", "1,204 tasks".
 *
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 */
export function plural(value, one, many = `${one}s`) {
  return `${WHOLE.format(value)} ${value === 1 ? one : many}`;
}

/**
 * A share of one as per cent; only nothing is 0% and only all of it is 100%.
 *
 * @param {number | null | undefined} share
 */
export function percent(share) {
  const value = numeric(share);
  if (value === null) return MISSING;
  if (value > 0 && value < 0.01) return "<1%";
  if (value > 0.99 && value < 1) return ">99%";
  return `${WHOLE.format(value * 100)}%`;
}

/** @param {number | null | undefined} size in bytes: "812 B", "3.4 MB" */
export function bytes(size) {
  let value = numeric(size);
  if (value === null) return MISSING;
  let unit = 0;
  const units = ["B", "kB", "MB", "GB", "TB"];
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${(value < 99.95 ? ONE_DECIMAL : WHOLE).format(value)} ${units[unit]}`;
}

/**
 * The seconds from one moment to another.
 *
 * @param {Instant} from
 * @param {Instant} to
 */
function secondsBetween(from, to) {
  return (milliseconds(to) - milliseconds(from)) / 1000;
}

/**
 * When, as seen from now: "just now", "3 min ago", "in 2 h"; beyond a month its date.
 *
 * @param {Instant | null | undefined} at
 * @param {Instant} now
 * @param {string} [zone] the reader's unless named
 */
export function relative(at, now, zone) {
  if (at === null || at === undefined) return MISSING;
  const seconds = secondsBetween(at, now);
  if (Number.isNaN(seconds)) return MISSING;
  const size = Math.floor(Math.abs(seconds));
  if (size < 5) return "just now";
  if (size >= MONTH) return date(at, zone);
  return seconds > 0 ? `${largest(size)} ago` : `in ${largest(size)}`;
}

/** @param {number} seconds */
function largest(seconds) {
  if (seconds < MINUTE) return `${seconds} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  return `${Math.floor(seconds / DAY)} d`;
}

/**
 * "23 Nov 2026".
 *
 * @param {Instant | null | undefined} at
 * @param {string} [zone] the reader's unless named
 */
export function date(at, zone) {
  return shown(at, zone, { day: "numeric", month: "short", year: "numeric" });
}

/**
 * "04:54:10", for lists within a day.
 *
 * @param {Instant | null | undefined} at
 * @param {string} [zone] the reader's unless named
 */
export function timeOfDay(at, zone) {
  return shown(at, zone, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
}

/**
 * All of it, for tooltips: "Mon 23 November 2026 at 04:54:10 UTC".
 *
 * @param {Instant | null | undefined} at
 * @param {string} [zone] the reader's unless named
 */
export function exact(at, zone) {
  return shown(at, zone, {
    weekday: "short",
    day: "numeric",
    month: "long",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    timeZoneName: "short",
  });
}

/** @param {string} day a calendar day as the API counts them, "2026-11-23": "23 Nov" in every zone */
export function dayOfMonth(day) {
  return shown(day, "UTC", { day: "numeric", month: "short" });
}

/** @type {Map<string, Intl.DateTimeFormat>} Making one takes longer than a thousand uses of it. */
const FORMATS = new Map();

/**
 * @param {Instant | null | undefined} at
 * @param {string | undefined} zone
 * @param {Intl.DateTimeFormatOptions} options
 */
function shown(at, zone, options) {
  if (at === null || at === undefined) return MISSING;
  const moment = milliseconds(at);
  if (Number.isNaN(moment)) return MISSING;
  const key = `${zone} ${Object.keys(options)}`;
  let format = FORMATS.get(key);
  if (format === undefined) {
    format = new Intl.DateTimeFormat(DATES, { ...options, timeZone: zone });
    FORMATS.set(key, format);
  }
  return format.format(moment);
}

/** @param {Instant} at */
function milliseconds(at) {
  if (typeof at !== "string") return Math.abs(Number(at)) > 8.64e15 ? Number.NaN : Number(at);
  const zoned = /T.*(?:Z|[+-]\d\d:?\d\d)$/i.test(at) || !at.includes("T");
  return Date.parse(zoned ? at : `${at}Z`);
}
