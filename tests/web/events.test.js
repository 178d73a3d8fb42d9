// What the raw feed says of each event in one line, what passes its filters, and what it keeps.

import assert from "node:assert/strict";
import { test } from "node:test";
import { instant, TYPES, told, toneOf, wants } from "../../src/buildd_server/web/text/events.js";
import { createRing } from "../../src/buildd_server/web/text/ring.js";

/** @param {string} type @param {Record<string, any>} data @returns {any} */
function event(type, data, about = {}) {
  const nobody = { workspaceId: null, taskId: null, workerId: null, accountId: null };
  return { seq: 1, type, at: "2026-11-23T05:09:41.331195Z", ...nobody, ...about, data };
}

/** @type {[string, Record<string, any>, string][]} */
const LINES = [
  [
    "task:created",
    { title: "T", runnerPreference: "any", requiredCapabilities: ["gpu", "macos"] },
    "for any · needs gpu, macos",
  ],
  ["task:created", { title: "T", runnerPreference: "user", requiredCapabilities: [] }, "for user"],
  ["task:updated", { status: "running", previousStatus: "assigned" }, "assigned → running"],
  ["task:updated", { status: "pending", previousStatus: "pending" }, "pending, edited"],
  ["task:updated", { status: "completed", deleted: true }, "deleted"],
  ["task:cancelled", { previousStatus: "running" }, "running → cancelled"],
  ["worker:status", { status: "idle", previousStatus: null }, "idle"],
  ["worker:progress", { progress: 74, turns: 13 }, "74% · 13 turns"],
  ["worker:message", { role: "assistant", content: "Two\n\n  lines" }, "assistant: Two lines"],
  ["worker:message", { role: "tool", content: null }, "tool"],
  ["worker:attachment", { filename: "a.png", size: 4 }, "a.png"],
  ["worker:artifact", { type: "diff", title: "Changes" }, "diff: Changes"],
  ["worker:comment", { content: "Why?", resolved: false }, "Why?"],
  ["worker:comment", { content: "Why?", resolved: true }, "resolved: Why?"],
  ["worker:cost", { costUsd: 1.0436 }, "$1.04 so far"],
  ["worker:waiting", { waitingFor: { type: "question", prompt: "Which?" } }, "question: Which?"],
  [
    "worker:completed",
    { result: { summary: "Fixed." }, costUsd: 1, turns: 1 },
    "Fixed. · $1.00 · 1 turn",
  ],
  ["worker:completed", { result: null, costUsd: 0, turns: 0 }, "$0 · 0 turns"],
  ["worker:error", { error: "2 of 31 fail", errorCode: "x_failed" }, "x_failed: 2 of 31 fail"],
  ["account:updated", {}, ""],
  ["workspace:updated", {}, ""],
  [
    "launch:updated",
    { status: "failed", previousStatus: "starting", detail: "no room" },
    "starting → failed · no room",
  ],
  ["reset", {}, "Some events were missed; all that is shown was read anew."],
  ["of:tomorrow", { a: 1, b: "two", c: [3] }, "a: 1 · b: two · c: [3]"],
];

test("each type says in a line what it is about", () => {
  for (const [type, data, line] of LINES) assert.equal(told(event(type, data)), line, type);
  const known = new Set(LINES.map(([type]) => type));
  for (const type of TYPES) assert.ok(known.has(type), type);
});

test("a line is short, and hides nothing", () => {
  const line = told(event("worker:message", { role: "user", content: `\u202e${"x".repeat(1e6)}` }));
  assert.ok(line.length <= 300);
  assert.ok(line.startsWith("user: ‹U+202E›x") && line.endsWith("…"));
});

test("whatever an agent gives as its result is told, not tripped over", () => {
  const odd = [null, {}, { summary: 7 }, { summary: { toString: 1 } }, { summary: ["x"] }, []];
  for (const result of odd)
    assert.equal(
      told(event("worker:completed", { result, costUsd: 1, turns: 2 })),
      "$1.00 · 2 turns",
    );
});

test("what is missing is left out", () => {
  for (const type of TYPES) assert.equal(typeof told(event(type, {})), "string", type);
});

test("a moment is told to the millisecond", () => {
  assert.equal(instant("2026-11-23T05:09:41.331195Z", "UTC"), "05:09:41.331");
  assert.equal(instant("2026-11-23T05:09:41Z", "UTC"), "05:09:41.000");
});

test("every type has a colour, and trouble its own", () => {
  assert.equal(toneOf("worker:error"), "bad");
  assert.equal(toneOf("worker:waiting"), "ask");
  assert.equal(toneOf("of:tomorrow"), "mute");
});

test("an event passes when all filters let it, a reset always", () => {
  const about = { workspaceId: "ws_1", taskId: "task_1", workerId: "wkr_A" };
  const cost = event("worker:cost", { costUsd: 1 }, about);
  const all = { types: new Set(), text: "" };
  /** @param {object} wanted @param {any} [of] */
  const passes = (wanted, of = cost) => wants(of, "$1.00 so far", { ...all, ...wanted });
  assert.ok(passes({}));
  assert.ok(passes({ types: new Set(["worker:cost"]), workspace: "ws_1", task: "task_1" }));
  assert.ok(!passes({ types: new Set(["worker:error"]) }));
  assert.ok(!passes({ workspace: "ws_2" }));
  assert.ok(!passes({ task: "task_2" }));
  for (const text of ["so far", "task_1", "wkr_a", "worker:c"]) assert.ok(passes({ text }), text);
  assert.ok(!passes({ text: "so near" }));
  assert.ok(passes({ task: "task_2", text: "so near" }, event("reset", {})));
});

test("a ring keeps the newest, in their order", () => {
  const ring = createRing(5);
  assert.deepEqual(ring.list(), []);
  for (let item = 1; item <= 12; item += 1) {
    ring.push(item);
    const from = Math.max(1, item - 4);
    assert.deepEqual(
      ring.list(),
      Array.from({ length: item - from + 1 }, (_, index) => from + index),
    );
  }
  assert.equal(ring.list(), ring.list());
});

test("a ring is filled up with what was before, as far as there is room", () => {
  const ring = createRing(5);
  ring.push(8);
  ring.push(9);
  const listed = ring.list();
  ring.fill([3, 4, 5, 6, 7]);
  assert.deepEqual(ring.list(), [5, 6, 7, 8, 9]);
  assert.deepEqual(listed, [8, 9]);
  ring.push(10);
  assert.deepEqual(ring.list(), [6, 7, 8, 9, 10]);
  ring.fill([1, 2]);
  assert.deepEqual(ring.list(), [6, 7, 8, 9, 10]);
});
