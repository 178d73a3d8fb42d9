// What happened to a task before the page was opened, as far as the server still keeps its events.

import { frames } from "../../app/sse.js";
import { TOLD } from "../../text/story.js";

const SILENCE = 2000; // The feed does not say where the past ends: it falls silent.

/**
 * @param {import("../../app/main.js").App} app
 * @param {string} taskId
 * @param {(events: import("../../types.js").Event[]) => void} heard called as they come
 * @param {AbortSignal} signal
 */
export async function readHistory(app, taskId, heard, signal) {
  const quiet = new AbortController();
  const either = AbortSignal.any([signal, quiet.signal]);
  let timer = setTimeout(() => quiet.abort(), SILENCE * 2);
  try {
    const query = { taskId, after: 0, types: TOLD.join(",") };
    const response = await app.api.send("GET", "/events", { query, signal: either });
    if (response.body === null) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const read = frames();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => quiet.abort(), SILENCE);
      const events = read(value).flatMap(({ data, event }) =>
        data === null || event === "reset" ? [] : [JSON.parse(data)],
      );
      if (events.length > 0) heard(events);
    }
  } catch (error) {
    // Without it, the story is told from the records alone.
    if (!either.aborted) console.warn("the task's past events could not be read:", error);
  } finally {
    clearTimeout(timer);
  }
}
