// What is known of one task: itself, its attempts, what it waits for and what happened to it; kept true by events.

import { ApiError } from "../../app/api.js";
import { readPast } from "../../app/history.js";
import { mergeEvents, TOLD } from "../../text/story.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Task} Task
 * @typedef {import("../../types.js").Worker} Worker
 * @typedef {import("../../types.js").Event} Event
 */

const PAUSE = 300; // Milliseconds in which reasons to read again are collected.
const PATIENCE = 2000;

/** @type {Set<string>} */
const WORTH_TELLING = new Set(TOLD);
const CHANGING = new Set([
  "task:updated",
  "task:cancelled",
  "worker:status",
  "worker:waiting",
  "worker:completed",
  "worker:error",
]);

/**
 * @param {App} app
 * @param {string} id
 * @param {() => void} changed called once the attempts are read anew
 */
export function createRecord(app, id, changed) {
  const leaving = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const record = {
    /** @type {"loading" | "here" | "missing" | "deleted"} */
    state: "loading",
    /** @type {string | null} why it could not be read */
    trouble: null,
    /** @type {string[]} the ids of the attempts, the first one first */
    attempts: [],
    /** @type {Event[]} */
    events: [],
    /** @returns {Task | undefined} */
    get task() {
      return app.store.tasks.get(id) ?? kept.task;
    },
    /** The attempts, the first one first. @returns {Worker[]} */
    get workers() {
      return record.attempts.flatMap(
        (each) => app.store.workers.get(each) ?? kept.workers.get(each) ?? [],
      );
    },
    /** The tasks that it depends on; null for one that is gone, or not ours to see. */
    parents: () =>
      (record.task?.dependsOn ?? []).map((each) => ({ id: each, task: app.store.tasks.get(each) })),
    hear,
    reset() {
      void load();
      void readEvents();
    },
    reload() {
      if (record.state !== "deleted") void load();
    },
    close() {
      leaving.abort();
      clearTimeout(timer);
    },
  };
  const kept = {
    /** @type {Task | undefined} */
    task: undefined,
    /** @type {Map<string, Worker>} */
    workers: new Map(),
  };

  async function readEvents() {
    const query = { taskId: id, after: 0, types: TOLD.join(",") };
    try {
      await readPast(app.api, query, heard, leaving.signal);
    } catch (error) {
      // Without them, the story is told from the records alone.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  /** @param {Event[]} events */
  function heard(events) {
    record.events = mergeEvents(record.events, events);
    app.redraw();
  }

  /** @param {Event} event */
  function hear(event) {
    if (event.taskId !== id) return;
    if (/** @type {any} */ (event.data).deleted) record.state = "deleted";
    else if (CHANGING.has(event.type) || !isKnown(event.workerId)) soon(PAUSE);
    if (WORTH_TELLING.has(event.type)) heard([event]);
  }

  /** @param {string | null} workerId */
  function isKnown(workerId) {
    return workerId === null || record.attempts.includes(workerId);
  }

  /** @param {number} pause */
  function soon(pause) {
    if (timer !== undefined || leaving.signal.aborted) return;
    timer = setTimeout(() => {
      timer = undefined;
      void load();
    }, pause);
  }

  async function load() {
    try {
      const [task, workers] = await Promise.all([
        app.api.get(`/tasks/${id}`),
        app.api.all("/workers", { taskId: id }),
      ]);
      put(task, workers);
    } catch (error) {
      failed(/** @type {import("../../app/api.js").ApiError} */ (error));
    }
    app.redraw();
  }

  /** @param {Task} task @param {Worker[]} workers the newest first */
  function put(task, workers) {
    if (leaving.signal.aborted || record.state === "deleted") return;
    kept.task = task;
    app.store.tasks.put(task);
    for (const each of workers) kept.workers.set(each.id, each);
    app.store.workers.putAll(workers);
    record.attempts = workers.map((each) => each.id).reverse();
    const unread = task.dependsOn.filter((each) => !app.store.tasks.get(each));
    if (record.state === "loading" || record.trouble) app.store.refresh(...unread);
    record.state = "here";
    record.trouble = null;
    changed();
  }

  /** @param {import("../../app/api.js").ApiError} error */
  function failed(error) {
    if (error.status === 404 || error.status === 422)
      record.state = kept.task ? "deleted" : "missing";
    else {
      record.trouble = error.message;
      soon(PATIENCE);
    }
  }

  record.reset();
  return record;
}
