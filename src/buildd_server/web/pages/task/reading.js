// Reads what was said during one attempt: the newest first, what comes as it comes, the older when it is asked for.

import { createTranscript } from "../../text/transcript.js";

/** @typedef {import("../../app/main.js").App} App */

const PAUSE = 300; // Milliseconds in which what is to be read is collected.
const FIRST = 200;
const AGAIN = 50;

/**
 * @param {App} app
 * @param {string} workerId
 */
export function createReading(app, workerId) {
  const path = `/workers/${workerId}/messages`;
  const transcript = createTranscript();
  let busy = false;
  let again = false;
  let older = false;
  let closed = false;
  const reading = {
    transcript,
    /** @type {"loading" | "here"} */
    state: "loading",
    /** Whether there is more before the first one. */
    more: false,
    /** Entries that came since it was last set to 0. */
    arrived: 0,
    earlier,
    everything,
    /** Read what is new, soon. */
    refresh: () => void refresh(),
    close() {
      closed = true;
    },
  };

  async function refresh() {
    again = true;
    if (busy || closed) return;
    busy = true;
    while (again && !closed) {
      again = false;
      try {
        await catchUp();
      } catch (error) {
        // The shell tells that the server is away; what is refused stays so.
        const { status } = /** @type {import("../../app/api.js").ApiError} */ (error);
        again ||= status === 0 || status >= 500;
      }
      app.redraw();
      await new Promise((resolve) => setTimeout(resolve, again ? 2 * PAUSE : PAUSE));
    }
    busy = false;
  }

  /** Page by page, until something is known already. */
  async function catchUp() {
    const known = new Set(transcript.messages.map(({ id }) => id));
    const first = known.size === 0 && reading.state === "loading";
    let cursor = null;
    /** @type {import("../../types.js").Message[]} */
    const found = [];
    for (;;) {
      const limit = first ? FIRST : AGAIN;
      const page = await app.api.page(path, cursor ? { cursor, limit } : { limit });
      found.push(...page.items);
      cursor = page.next;
      if (first) reading.more = cursor !== null;
      if (first || cursor === null || page.items.some(({ id }) => known.has(id))) break;
    }
    const count = transcript.put(found);
    if (!first) reading.arrived += count;
    reading.state = "here";
  }

  /** Read one page of what was said before; whether there was one. */
  async function earlier() {
    if (older || !reading.more || closed) return false;
    older = true;
    try {
      const cursor = transcript.messages[0]?.id;
      const page = await app.api.page(path, { ...(cursor ? { cursor } : {}), limit: FIRST });
      transcript.put(page.items);
      reading.more = page.next !== null;
      return true;
    } catch {
      return false;
    } finally {
      older = false;
      app.redraw();
    }
  }

  /** Read it from its beginning, for whoever looks for something in it. */
  async function everything() {
    while (reading.more && (await earlier()));
  }

  void refresh();
  return reading;
}
