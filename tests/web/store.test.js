// What the pages know, kept true by events. The API is the far end here, and the clock is turned by hand.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { ApiError } from "../../src/buildd_server/web/app/api.js";
import { createStore, needsApproval } from "../../src/buildd_server/web/app/store.js";

const AT = "2026-11-23T05:00:00.000001Z";
const LATER = "2026-11-23T05:00:01.000001Z";

/** An API that answers what it is told to, and remembers what it was asked. @param {Record<string, any>} [answers] */
function farEnd(answers = {}) {
  /** @type {string[]} */
  const asked = [];
  /** @param {string} path @param {Record<string, any>} [query] */
  async function all(path, query = {}) {
    asked.push(`${path} ${JSON.stringify(query)}`);
    const answer = answers[path] ?? [];
    if (answer instanceof Error) throw answer;
    return typeof answer === "function" ? answer(query) : answer;
  }
  return { asked, answers, api: /** @type {any} */ ({ all, get: all }) };
}

/** @param {ReturnType<typeof farEnd>} end @param {boolean} [isAdmin] */
function storeOf(end, isAdmin = true) {
  let changes = 0;
  const changed = () => {
    changes += 1;
  };
  const store = createStore(end.api, changed, () => isAdmin);
  return Object.assign(store, { changes: () => changes });
}

/** @param {string} type @param {Record<string, any>} data @param {Record<string, any>} [about] @returns {any} */
function event(type, data, about = {}) {
  const ours = { taskId: "t1", workerId: type.startsWith("worker") ? "w1" : null };
  return { seq: 1, type, at: LATER, workspaceId: "s1", accountId: null, ...ours, ...about, data };
}

/** @param {Record<string, any>} [fields] @returns {any} */
function task(fields = {}) {
  return { id: "t1", title: "T", status: "pending", trust: "internal", updatedAt: AT, ...fields };
}

/** @param {Record<string, any>} [fields] @returns {any} */
function worker(fields = {}) {
  const state = { status: "running", waitingFor: null, costUsd: 0, updatedAt: AT };
  return { id: "w1", taskId: "t1", ...state, ...fields };
}

/** Let a pause go by, and what was begun come to its end. */
async function pass(pause = 400) {
  mock.timers.tick(pause);
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

test.beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
test.afterEach(() => mock.timers.reset());

test("a task is known from the moment it is made, and read soon", async () => {
  const end = farEnd({ "/tasks": [task({ priority: 5, updatedAt: LATER })] });
  const store = storeOf(end);
  store.apply(event("task:created", { title: "T", status: "pending", runnerPreference: "any" }));
  assert.equal(store.tasks.get("t1")?.title, "T");
  assert.equal(store.tasks.get("t1")?.priority, 0);
  assert.equal(store.changes(), 1);
  await pass();
  assert.deepEqual(end.asked, ['/tasks {"ids":"t1","limit":100}']);
  assert.equal(store.tasks.get("t1")?.priority, 5);
});

test("an event changes what is known at once, and nothing that is not", () => {
  const store = storeOf(farEnd());
  store.apply(event("task:updated", { status: "running", title: "T" }));
  assert.equal(store.tasks.get("t1"), undefined);
  store.tasks.put(task());
  store.apply(event("task:updated", { status: "running", title: "New" }, { accountId: "a1" }));
  const { status, title, claimedBy } = store.tasks.get("t1") ?? task();
  assert.deepEqual([status, title, claimedBy], ["running", "New", "a1"]);
  store.apply(event("task:cancelled", { previousStatus: "running" }));
  assert.equal(store.tasks.get("t1")?.status, "cancelled");
  store.apply(event("task:updated", { status: "cancelled", deleted: true }));
  assert.equal(store.tasks.get("t1"), undefined);
});

test("a hundred events in a pause are one reading, and the rest another", async () => {
  const end = farEnd();
  const store = storeOf(end);
  for (let index = 0; index < 250; index += 1) store.refresh(`t${index % 150}`);
  await pass();
  assert.equal(end.asked.length, 1);
  await pass();
  await pass();
  const ids = end.asked.map((each) => JSON.parse(each.slice(7)).ids.split(","));
  assert.deepEqual(
    ids.map(({ length }) => length),
    [100, 50],
  );
  assert.equal(new Set(ids.flat()).size, 150);
});

test("what was read before an event came does not undo it", async () => {
  const end = farEnd({ "/tasks": [task({ updatedAt: AT })] });
  const store = storeOf(end);
  store.tasks.put(task());
  store.apply(event("task:updated", { status: "running" }));
  await pass();
  assert.equal(store.tasks.get("t1")?.status, "running");
});

test("a worker's events tell how it does", () => {
  const store = storeOf(farEnd());
  store.workers.put(worker());
  store.apply(event("worker:progress", { progress: 40, turns: 3 }));
  store.apply(event("worker:cost", { costUsd: 1.5 }));
  const { progress, turns, costUsd, status } = store.workers.get("w1") ?? worker();
  assert.deepEqual([progress, turns, costUsd, status], [40, 3, 1.5, "running"]);
  assert.equal(store.workerOf("t1")?.id, "w1");
  store.apply(event("worker:status", { status: "completed", previousStatus: "running" }));
  assert.deepEqual(store.live(), []);
  assert.equal(store.workerOf("t1"), undefined);
});

test("a question stands until the worker goes on", () => {
  const store = storeOf(farEnd());
  store.workers.put(worker());
  const waitingFor = { type: "question", prompt: "Which?", options: null, code: null };
  store.apply(event("worker:waiting", { waitingFor }));
  assert.equal(store.questions()[0]?.status, "waiting_input");
  store.apply(event("worker:status", { status: "running", previousStatus: "waiting_input" }));
  assert.deepEqual(store.questions(), []);
});

test("a question about a budget does not say that the worker stands still", () => {
  const store = storeOf(farEnd());
  store.workers.put(worker());
  const waitingFor = { type: "confirmation", prompt: "More?", options: null, code: "budget" };
  store.apply(event("worker:waiting", { waitingFor }));
  assert.equal(store.questions()[0]?.status, "running");
  store.apply(event("worker:status", { status: "paused", previousStatus: "running" }));
  assert.equal(store.questions().length, 1);
});

test("a worker that nobody knows is read, once for all", async () => {
  const end = farEnd({ "/workers": [worker(), worker({ id: "w2", taskId: "t2" })] });
  const store = storeOf(end);
  store.apply(event("worker:status", { status: "idle" }));
  store.apply(event("worker:status", { status: "idle" }, { workerId: "w2", taskId: "t2" }));
  await pass();
  assert.deepEqual(end.asked, ['/workers {"open":true}']);
  assert.equal(store.live().length, 2);
});

test("accounts and workspaces that changed are read again, and those that went are gone", async () => {
  const shop = { id: "s1", name: "shop" };
  const end = farEnd({ "/accounts": [{ id: "a1", name: "laptop" }], "/workspaces": [shop] });
  const store = storeOf(end);
  store.workspaces.put(/** @type {any} */ ({ id: "s2", name: "gone" }));
  store.apply(event("account:updated", {}));
  store.apply(event("workspace:updated", {}));
  await pass();
  assert.deepEqual(end.asked, ["/accounts {}", "/workspaces {}"]);
  assert.deepEqual(store.workspaces.newest(), [shop]);
  assert.equal(store.accounts.get("a1")?.name, "laptop");
});

test("an account reads itself, and asks for no other", async () => {
  const end = farEnd({ "/accounts/me": { id: "a1", name: "laptop" } });
  const store = storeOf(end, false);
  await store.load();
  assert.ok(!end.asked.includes("/accounts {}"));
  assert.equal(store.accounts.get("a1")?.name, "laptop");
});

test("what the server could not tell is asked again, and what it refused is not", async () => {
  const end = farEnd({ "/tasks": new ApiError(503, {}) });
  const store = storeOf(end);
  store.refresh("t1");
  await pass();
  end.answers["/tasks"] = [task()];
  await pass(5000);
  assert.equal(store.tasks.get("t1")?.title, "T");
  end.answers["/tasks"] = new ApiError(403, {});
  store.refresh("t2");
  await pass();
  await pass(5000);
  assert.equal(end.asked.length, 3);
});

test("a task that is named is read once, be it there or not", async () => {
  const end = farEnd({ "/tasks": [task()] });
  const store = storeOf(end);
  assert.equal(store.task("t1"), undefined);
  assert.equal(store.task("gone"), undefined);
  await pass();
  assert.equal(store.task("t1")?.title, "T");
  assert.equal(store.task("gone"), undefined);
  await pass();
  assert.equal(end.asked.length, 1);
});

test("a launch says how it stands", () => {
  const store = storeOf(farEnd());
  store.launches.put(/** @type {any} */ ({ id: "l1", status: "starting", detail: null }));
  store.apply(event("launch:updated", { launchId: "l1", status: "failed", detail: "no room" }));
  assert.equal(store.launches.get("l1")?.status, "failed");
});

test("all is read anew after events were missed", async () => {
  const end = farEnd({ "/tasks": [task({ id: "t9", trust: "public", approvedAt: null })] });
  const store = storeOf(end);
  store.tasks.put(task());
  await store.load();
  assert.equal(store.tasks.get("t1"), undefined);
  assert.deepEqual(
    store.approvals().map(({ id }) => id),
    ["t9"],
  );
});

test("what happens while all is read is not lost", async () => {
  /** @type {(workers: any[]) => void} */
  let answer = () => {};
  const late = () => new Promise((resolve) => (answer = resolve));
  const store = storeOf(farEnd({ "/workers": late }));
  const loading = store.load();
  store.apply(event("worker:status", { status: "completed", previousStatus: "running" }));
  answer([worker()]);
  await loading;
  assert.deepEqual(store.live(), []);
});

test("a worker that ends while workers are read does not live on", async () => {
  /** @type {(workers: any[]) => void} */
  let answer = () => {};
  const late = () => new Promise((resolve) => (answer = resolve));
  const store = storeOf(farEnd({ "/workers": late }));
  store.apply(event("worker:status", { status: "idle" }));
  await pass();
  store.apply(event("worker:status", { status: "error", previousStatus: "idle" }));
  answer([worker()]);
  await pass();
  assert.deepEqual(store.live(), []);
});

test("a person is asked about tasks of the public, until somebody vouches for them", () => {
  const open = task({ trust: "public", approvedAt: null });
  assert.ok(needsApproval(open));
  assert.ok(!needsApproval({ ...open, approvedAt: AT }));
  assert.ok(!needsApproval({ ...open, trust: "internal" }));
  assert.ok(!needsApproval({ ...open, trust: "collaborator" }));
  assert.ok(!needsApproval({ ...open, status: "cancelled" }));
});
