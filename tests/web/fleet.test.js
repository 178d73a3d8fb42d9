// How alive workers, agents and pools are told to be, by the figures that the server gives.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  agentHealth,
  grouped,
  poolHealth,
  workerHealth,
} from "../../src/buildd_server/web/text/health.js";

const NOW = Date.parse("2026-11-23T05:00:00Z");

/** @param {number} seconds */
function ago(seconds) {
  return new Date(NOW - seconds * 1000).toISOString();
}

/** A worker whose lease lives for 60 seconds. @param {number} heard seconds ago @param {object} [more] */
function worker(heard, more = {}) {
  return /** @type {import("../../src/buildd_server/web/types.js").Worker} */ ({
    status: "running",
    accountId: "acc_a",
    runner: "local",
    heartbeatAt: ago(heard),
    leaseExpiresAt: ago(heard - 60),
    ...more,
  });
}

/** @param {number} seen seconds ago */
function agent(seen) {
  return /** @type {import("../../src/buildd_server/web/types.js").Agent} */ ({
    accountId: "acc_a",
    runner: "local",
    lastSeenAt: ago(seen),
  });
}

/** @param {object} more */
function pool(more) {
  return /** @type {import("../../src/buildd_server/web/types.js").Pool} */ ({
    enabled: true,
    halted: false,
    openLaunches: 0,
    maximum: 2,
    lastError: null,
    retryAt: null,
    ...more,
  });
}

test("a worker is judged by its own lease", () => {
  assert.equal(workerHealth(worker(0), NOW), "fresh");
  assert.equal(workerHealth(worker(23), NOW), "fresh");
  assert.equal(workerHealth(worker(25), NOW), "late");
  assert.equal(workerHealth(worker(59), NOW), "late");
  assert.equal(workerHealth(worker(60), NOW), "silent");
  const patient = { leaseExpiresAt: ago(60 - 36_000) };
  assert.equal(workerHealth(worker(60, patient), NOW), "fresh");
});

test("a worker without a lease is neither alive nor dead", () => {
  assert.equal(workerHealth(worker(500, { status: "paused" }), NOW), null);
  assert.equal(workerHealth(worker(5, { heartbeatAt: null }), NOW), null);
  assert.equal(workerHealth(worker(5, { leaseExpiresAt: null }), NOW), null);
});

test("an agent is heard when it asks for work, or by its workers", () => {
  assert.equal(agentHealth(agent(50), [], NOW), "fresh");
  assert.equal(agentHealth(agent(100), [], NOW), "late");
  assert.equal(agentHealth(agent(121), [], NOW), "silent");
  assert.equal(agentHealth(agent(900), [worker(5)], NOW), "fresh");
  assert.equal(agentHealth(agent(900), [worker(50)], NOW), "silent");
  assert.equal(agentHealth(agent(900), [worker(5, { accountId: "acc_b" })], NOW), "silent");
  assert.equal(agentHealth(agent(900), [worker(5, { runner: "vm" })], NOW), "silent");
});

test("a pool in trouble says what to do", () => {
  const halted = poolHealth(pool({ halted: true, lastError: "no such template" }), NOW);
  assert.deepEqual(
    [halted.tone, halted.word, halted.trouble],
    ["bad", "stopped", "no such template"],
  );
  assert.match(halted.fix ?? "", /check the pool/);
  assert.equal(poolHealth(pool({ retryAt: ago(-30) }), NOW).word, "waits");
  assert.match(
    poolHealth(pool({ retryAt: ago(-30) }), NOW).trouble ?? "",
    /without having taken work/,
  );
  assert.equal(poolHealth(pool({ retryAt: ago(1) }), NOW).word, "ready");
  assert.equal(poolHealth(pool({ openLaunches: 2 }), NOW).word, "full");
  assert.equal(poolHealth(pool({ enabled: false, halted: true }), NOW).word, "disabled");
  assert.deepEqual(poolHealth(pool({}), NOW), { tone: "good", word: "ready" });
});

test("groups stand in the order of their names and keep that of their entries", () => {
  const entries = ["vm 2", "local 1", "vm 1"];
  const groups = grouped(entries, (each) => each.split(" ")[0] ?? "");
  assert.deepEqual(groups, [
    ["local", ["local 1"]],
    ["vm", ["vm 2", "vm 1"]],
  ]);
});
