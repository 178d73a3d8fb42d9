// The newest events that are kept: read once from the past of the feed, for a page that begins with them.

import { frames } from "./sse.js";

/** @typedef {import("../types.js").Event} Event */

const SILENCE = 1000; // Milliseconds: an account may see none of the last events, and so not their end.

/**
 * Up to so many of the last events, oldest first; fewer if the server is slow to tell them.
 * @param {number} most
 * @param {AbortSignal} signal
 * @returns {Promise<Event[]>}
 */
export async function recent(most, signal) {
  const last = await position(signal);
  const after = Math.max(0, last - most);
  return after === last ? [] : readUntil(last, after, signal);
}

/** The `seq` of the last event. @param {AbortSignal} signal */
async function position(signal) {
  const { response, close } = await open("/api/events", signal);
  close();
  return Number(response.headers.get("x-buildd-seq") ?? 0);
}

/** @param {number} last @param {number} after @param {AbortSignal} signal */
async function readUntil(last, after, signal) {
  const { response, close } = await open(`/api/events?after=${after}`, signal);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const read = frames();
  /** @type {Event[]} */
  const events = [];
  let patience = setTimeout(close, SILENCE);
  try {
    while (reader && (events.at(-1)?.seq ?? 0) < last) {
      const { done, value } = await reader.read();
      if (done) break;
      clearTimeout(patience);
      patience = setTimeout(close, SILENCE);
      for (const { data, event } of read(value))
        if (data !== null && event !== "reset") events.push(JSON.parse(data));
    }
  } catch (error) {
    if (signal.aborted) throw error;
  } finally {
    clearTimeout(patience);
    close();
  }
  return events;
}

/** @param {string} path @param {AbortSignal} signal */
async function open(path, signal) {
  const leaving = new AbortController();
  const either = AbortSignal.any([leaving.signal, signal]);
  const response = await fetch(path, { credentials: "same-origin", signal: either });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return { response, close: () => leaving.abort() };
}
