// The feed of events, read once per browser: one tab holds the stream and tells the others, because a
// browser opens only six connections to a server, and people leave more tabs than that open.

import { framesOf } from "./sse.js";

/**
 * @typedef {import("../types.js").Event} Event
 * @typedef {"connecting" | "live" | "stale" | "ended"} Status
 * @typedef {{event: (event: Event) => void, reset: () => void, status: (status: Status) => void,
 *   loggedOut: () => void}} Hearer
 * @typedef {{kind: "event", event: Event} | {kind: "status", status: Status, seq: number | null}
 *   | {kind: "loggedOut"}} Notice what the tab that holds the stream tells the others
 */

const SILENCE = 40_000; // The server says something every 15 seconds.
const LONGEST_PAUSE = 10_000;
const SHORTEST_PAUSE = 250;

/**
 * Listen until closed. `ready` is kept once what is read from now on cannot miss an event.
 * @param {Hearer} hearer
 */
export function listen(hearer) {
  const channel = new BroadcastChannel("buildd-events");
  const leaving = new AbortController();
  /** @type {number | null} */
  let seq = null;
  /** @type {Status} */
  let status = "connecting";
  let heard = Date.now();
  let leads = false;
  /** @type {AbortController | null} */
  let reading = null;
  /** @type {() => void} */
  let isReady = () => {};
  /** @type {Promise<void>} */
  const ready = new Promise((resolve) => {
    isReady = resolve;
  });

  /** @param {Status} now */
  function become(now) {
    if (now === "live") isReady();
    if (now === status) return;
    status = now;
    hearer.status(now);
  }

  /** @param {Notice} notice */
  function take(notice) {
    heard = Date.now();
    if (notice.kind === "status") {
      seq ??= notice.seq;
      become(notice.status);
    } else if (notice.kind === "loggedOut") hearer.loggedOut();
    else if (notice.kind === "event" && (seq === null || notice.event.seq > seq)) {
      seq = notice.event.seq;
      if (notice.event.type === "reset") hearer.reset();
      else hearer.event(notice.event);
    }
  }

  /** @param {Notice} notice */
  function tell(notice) {
    channel.postMessage(notice);
    take(notice);
  }

  async function lead() {
    leads = true;
    let pause = SHORTEST_PAUSE;
    while (!leaving.signal.aborted) {
      const worked = await readOnce();
      if (leaving.signal.aborted) return;
      if (seq !== null) tell({ kind: "status", status: "stale", seq });
      pause = worked ? SHORTEST_PAUSE : Math.min(pause * 2, LONGEST_PAUSE);
      await sleep(pause * (0.5 + Math.random()), leaving.signal);
    }
  }

  /** @returns {Promise<boolean>} whether the stream was open */
  async function readOnce() {
    reading = new AbortController();
    const signal = AbortSignal.any([reading.signal, leaving.signal]);
    let opened = false;
    try {
      const response = await fetch("/api/events", {
        headers: seq === null ? {} : { "last-event-id": String(seq) },
        credentials: "same-origin",
        signal,
      });
      if (response.status === 401) tell({ kind: "loggedOut" });
      if (!response.ok) return false;
      opened = true;
      seq ??= Number(response.headers.get("x-buildd-seq"));
      tell({ kind: "status", status: "live", seq });
      await readAll(response);
    } catch {
      // It broke off, or nobody answers: the status tells, and it is tried again.
    }
    return opened;
  }

  /** @param {Response} response */
  async function readAll(response) {
    for await (const found of framesOf(response)) {
      heard = Date.now();
      if (found.some((each) => each.data === null)) tell({ kind: "status", status: "live", seq });
      for (const each of found)
        if (each.data !== null) tell({ kind: "event", event: JSON.parse(each.data) });
    }
  }

  function look() {
    if (Date.now() - heard < SILENCE) return;
    // The machine slept, or the network went away without a word.
    if (leads) reading?.abort();
    else channel.postMessage({ kind: "hello" });
    become("stale");
  }

  channel.onmessage = ({ data }) => {
    if (data.kind !== "hello") take(data);
    else if (leads && seq !== null) channel.postMessage({ kind: "status", status, seq });
  };
  const watch = setInterval(look, 5000);
  addEventListener("online", look);
  document.addEventListener("visibilitychange", look);
  channel.postMessage({ kind: "hello" });
  // Browsers keep locks from pages that came over plain HTTP: there, each tab has a stream of its own.
  if (navigator.locks)
    navigator.locks.request("buildd-events", { signal: leaving.signal }, lead).catch(() => {});
  else void lead();

  return {
    ready,
    close() {
      clearInterval(watch);
      leaving.abort();
      removeEventListener("online", look);
      document.removeEventListener("visibilitychange", look);
      channel.close();
    },
  };
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done);
  });
}
