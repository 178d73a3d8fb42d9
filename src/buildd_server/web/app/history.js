// What the feed still keeps of the past. It does not say where the past ends: it falls silent.

import { framesOf } from "./sse.js";

/**
 * @typedef {import("../types.js").Event} Event
 * @typedef {import("./api.js").Api} Api
 */

const PATIENCE = 4000; // Milliseconds until the first event,
const SILENCE = 2000; // and from one to the next. An account may see none of the last, and so not their end.

/**
 * Past events, told as they come; fewer if the server is slow to tell them.
 * @param {Api} api
 * @param {Record<string, unknown>} query
 * @param {(events: Event[]) => void} heard
 * @param {AbortSignal} signal
 */
export async function readPast(api, query, heard, signal) {
  const quiet = new AbortController();
  const either = AbortSignal.any([signal, quiet.signal]);
  let timer = setTimeout(() => quiet.abort(), PATIENCE);
  try {
    const response = await api.send("GET", "/events", { query, signal: either });
    for await (const found of framesOf(response)) {
      clearTimeout(timer);
      timer = setTimeout(() => quiet.abort(), SILENCE);
      const events = found.flatMap(({ data, event }) =>
        data === null || event === "reset" ? [] : [JSON.parse(data)],
      );
      if (events.length > 0) heard(events);
    }
  } catch (error) {
    if (!either.aborted) throw error;
  } finally {
    clearTimeout(timer);
    quiet.abort();
  }
}

/**
 * Up to so many of the last events, oldest first.
 * @param {Api} api
 * @param {number} most
 * @param {AbortSignal} signal
 */
export async function recent(api, most, signal) {
  const last = await position(api, signal);
  const complete = new AbortController();
  const either = AbortSignal.any([signal, complete.signal]);
  /** @type {Event[]} */
  const events = [];
  const heard = (/** @type {Event[]} */ found) => {
    events.push(...found);
    if ((events.at(-1)?.seq ?? 0) >= last) complete.abort();
  };
  if (last > 0) await readPast(api, { after: Math.max(0, last - most) }, heard, either);
  return events;
}

/** The `seq` of the last event. @param {Api} api @param {AbortSignal} signal */
async function position(api, signal) {
  const enough = new AbortController();
  const either = AbortSignal.any([signal, enough.signal]);
  const response = await api.send("GET", "/events", { signal: either });
  enough.abort();
  return Number(response.headers.get("x-buildd-seq") ?? 0);
}
