// An event in one line, and the colour of its type: what the feed shows before anybody opens it.

import { visible } from "./visible.js";
import { money, percent, plural, timeOfDay } from "./words.js";

/** @typedef {import("../types.js").Event} Event */

const LONGEST = 300;

/** Every type there is, as the filter offers it. */
export const TYPES = /** @type {const} */ ([
  "task:created",
  "task:updated",
  "task:cancelled",
  "worker:status",
  "worker:progress",
  "worker:message",
  "worker:attachment",
  "worker:artifact",
  "worker:comment",
  "worker:cost",
  "worker:waiting",
  "worker:completed",
  "worker:error",
  "account:updated",
  "workspace:updated",
  "launch:updated",
]);

/** @type {Record<string, string>} */
const TONES = {
  "task:created": "busy",
  "task:updated": "busy",
  "task:cancelled": "mute",
  "worker:message": "calm",
  "worker:waiting": "ask",
  "worker:completed": "good",
  "worker:error": "bad",
  "launch:updated": "busy",
  reset: "ask",
};

/** @param {string} type of an event */
export function toneOf(type) {
  return TONES[type] ?? "mute";
}

/** @type {Record<string, (data: Record<string, any>) => string>} */
const SUMMARIES = {
  // The title stands beside the line already.
  "task:created": ({ runnerPreference: route, requiredCapabilities: needs }) =>
    joined([route && `for ${route}`, needs?.length > 0 && `needs ${needs.join(", ")}`]),
  "task:updated": (data) => (data.deleted ? "deleted" : moved(data)),
  "task:cancelled": ({ previousStatus }) => moved({ previousStatus, status: "cancelled" }),
  "worker:status": moved,
  "worker:progress": ({ progress, turns }) =>
    joined([
      typeof progress === "number" && percent(progress / 100),
      typeof turns === "number" && plural(turns, "turn"),
    ]),
  "worker:message": ({ role, content }) => joined([role, content], ": "),
  "worker:attachment": ({ filename }) => joined([filename]),
  "worker:artifact": ({ type, title }) => joined([type, title], ": "),
  "worker:comment": ({ content, resolved }) => joined([resolved && "resolved", content], ": "),
  "worker:cost": ({ costUsd }) => `${money(costUsd)} so far`,
  "worker:waiting": ({ waitingFor }) => joined([waitingFor?.type, waitingFor?.prompt], ": "),
  "worker:completed": ({ result, costUsd, turns }) =>
    joined([
      typeof result?.summary === "string" && result.summary,
      typeof costUsd === "number" && money(costUsd),
      typeof turns === "number" && plural(turns, "turn"),
    ]),
  "worker:error": ({ errorCode, error }) => joined([errorCode, error], ": "),
  "launch:updated": (data) => joined([moved(data), data.detail]),
  reset: () => "Some events were missed; all that is shown was read anew.",
};

/**
 * What an event says, in one line without hidden characters.
 *
 * @param {Event} event
 */
export function told({ type, data }) {
  const summary = SUMMARIES[type];
  return oneLine(summary ? summary(data) : joined(Object.entries(data).map(pair)));
}

/** From one state to another. @param {Record<string, any>} data */
function moved({ previousStatus, status }) {
  if (status && status === previousStatus) return `${status}, edited`;
  return joined([previousStatus, status], " → ");
}

/** @param {[string, unknown]} field */
function pair([name, value]) {
  return `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`;
}

/** @param {unknown[]} parts those that are missing are left out @param {string} [by] */
function joined(parts, by = " · ") {
  return parts
    .filter((part) => part !== null && part !== undefined && part !== false && part !== "")
    .map((part) => (typeof part === "object" ? JSON.stringify(part) : String(part)))
    .join(by);
}

/** @param {string} text */
function oneLine(text) {
  const line = visible(
    text
      .slice(0, 4 * LONGEST)
      .replace(/\s+/g, " ")
      .trim(),
  );
  return line.length > LONGEST ? `${line.slice(0, LONGEST - 1).trimEnd()}…` : line;
}

/**
 * The moment within its day, to the millisecond: "04:54:10.123".
 *
 * @param {string} at
 * @param {string} [zone] the reader's unless named
 */
export function instant(at, zone) {
  return `${timeOfDay(at, zone)}.${(/\.(\d+)/.exec(at)?.[1] ?? "").slice(0, 3).padEnd(3, "0")}`;
}

/**
 * Whether an event is one of those that a reader wants to see; a `reset` always is.
 *
 * @param {Event} event
 * @param {string} line what it says
 * @param {{types: Set<string>, workspace?: string | undefined, task?: string | undefined, text: string}} wanted
 *   no types are all types; `text` in small letters
 */
export function wants(event, line, { types, workspace, task, text }) {
  if (event.type === "reset") return true;
  if (types.size > 0 && !types.has(event.type)) return false;
  if (workspace && event.workspaceId !== workspace) return false;
  if (task && event.taskId !== task) return false;
  if (!text) return true;
  const about = [event.type, line, event.taskId, event.workerId, event.accountId];
  return about.some((each) => each?.toLowerCase().includes(text));
}
