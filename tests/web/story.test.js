// The story of a task, told from records and events in whatever order they come.

import assert from "node:assert/strict";
import { test } from "node:test";
import { mergeEvents, storyOf } from "../../src/buildd_server/web/text/story.js";

let seq = 0;

/** @param {number} second */
function at(second) {
  return `2026-11-23T05:00:${String(second).padStart(2, "0")}.000000Z`;
}

/** @param {Record<string, unknown>} [fields] @returns {any} */
function task(fields) {
  return {
    id: "task_1",
    status: "running",
    createdAt: at(0),
    approvedAt: null,
    error: null,
    ...fields,
  };
}

/** @param {number} number @param {Record<string, unknown>} [fields] @returns {any} */
function worker(number, fields) {
  const times = { createdAt: at(10 * number), startedAt: at(10 * number + 1), completedAt: null };
  const sums = { costUsd: 0.5, turns: 3, waitingFor: null, error: null, errorCode: null };
  return { id: `wkr_${number}`, status: "running", ...times, ...sums, ...fields };
}

/** @param {number} second @param {string} type @param {object} data @param {string} [workerId] @returns {any} */
function event(second, type, data, workerId) {
  seq += 1;
  return { seq, type, at: at(second), workerId: workerId ?? null, data };
}

/** @param {any} records */
function titles(records) {
  return storyOf({ workers: [], events: [], answers: [], ...records }).map(({ title }) => title);
}

test("records alone tell the story of which events are no longer kept", () => {
  const lost = worker(1, {
    status: "error",
    errorCode: "lease_lost",
    error: "gone",
    completedAt: at(15),
  });
  const done = worker(2, { status: "completed", completedAt: at(29) });
  const told = titles({
    task: task({ approvedAt: at(1), approvedBy: "Max" }),
    workers: [lost, done],
  });
  assert.deepEqual(told, [
    "Created",
    "Approved",
    "Claimed",
    "Started",
    "Lost: its agent was no longer heard",
    "Claimed",
    "Started",
    "Completed",
  ]);
});

test("an answer is told with its words, if they were read", () => {
  const events = [
    event(12, "worker:waiting", { waitingFor: { prompt: "Which?" } }, "wkr_1"),
    event(14, "worker:status", { status: "running", previousStatus: "waiting_input" }, "wkr_1"),
  ];
  const answers = /** @type {any} */ ([
    { workerId: "wkr_1", createdAt: at(14), answers: "Which?", content: "This" },
  ]);
  const story = storyOf({ task: task(), workers: [worker(1)], events, answers });
  const [asked, answered] = story.slice(-2);
  assert.equal(asked?.text, "Which?");
  assert.equal(answered?.title, "Answered");
  assert.equal(answered?.text, "This");
});

test("a question of which no event is known is told once", () => {
  const asking = worker(1, {
    status: "waiting_input",
    waitingFor: { prompt: "?" },
    updatedAt: at(15),
  });
  assert.equal(titles({ task: task(), workers: [asking] }).at(-1), "Asked");
  const events = [event(15, "worker:waiting", { waitingFor: { prompt: "?" } }, "wkr_1")];
  const both = titles({ task: task(), workers: [asking], events });
  assert.equal(both.filter((title) => title === "Asked").length, 1);
});

test("pauses, ends and returns stand in their order", () => {
  const stopped = worker(1, {
    status: "error",
    errorCode: "cancelled",
    error: "x",
    completedAt: at(18),
  });
  const events = [
    event(
      12,
      "worker:status",
      { status: "running", previousStatus: "running", orders: ["pause"] },
      "wkr_1",
    ),
    event(13, "worker:status", { status: "paused", previousStatus: "running" }, "wkr_1"),
    event(14, "worker:status", { status: "starting", previousStatus: "paused" }, "wkr_1"),
    event(18, "task:updated", { status: "pending", previousStatus: "running" }),
    event(20, "task:updated", { status: "pending", previousStatus: "pending" }),
    event(21, "task:cancelled", { previousStatus: "pending", status: "cancelled" }),
    event(22, "task:updated", { status: "pending", previousStatus: "cancelled" }),
  ];
  assert.deepEqual(titles({ task: task(), workers: [stopped], events }).slice(3), [
    "Asked to pause",
    "Paused",
    "Taken up again",
    "Stopped",
    "Waits for another attempt",
    "Changed",
    "Cancelled",
    "Retried",
  ]);
});

test("an error that buildd does not know bears its code", () => {
  const failed = worker(1, {
    status: "error",
    errorCode: "executor_failed",
    error: "2 of 31",
    completedAt: at(19),
  });
  const last = storyOf({ task: task(), workers: [failed], events: [], answers: [] }).at(-1);
  assert.deepEqual([last?.title, last?.code, last?.text], ["Failed", "executor_failed", "2 of 31"]);
});

test("events come once, and in order, however they were heard", () => {
  const [first, second, third] = [event(1, "a", {}), event(2, "b", {}), event(3, "c", {})];
  const live = mergeEvents([], [third]);
  const merged = mergeEvents(live, [first, second, third]);
  assert.deepEqual(
    merged.map((each) => each.seq),
    [first.seq, second.seq, third.seq],
  );
  assert.equal(mergeEvents(merged, [third]).length, 3);
});

test("keys tell the steps apart", () => {
  const events = [
    event(12, "worker:waiting", { waitingFor: { prompt: "?" } }, "wkr_1"),
    event(13, "worker:artifact", { artifactId: "art_1", type: "diff", title: null }, "wkr_1"),
    event(14, "worker:waiting", { waitingFor: { prompt: "?" } }, "wkr_1"),
  ];
  const keys = storyOf({ task: task(), workers: [worker(1), worker(2)], events, answers: [] }).map(
    ({ key }) => key,
  );
  assert.equal(new Set(keys).size, keys.length);
});
