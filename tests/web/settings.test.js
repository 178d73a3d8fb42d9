// What keys, grants and forms of the settings amount to.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../../src/buildd_server/web/app/api.js";
import { hostOf } from "../../src/buildd_server/web/pages/settings/deliveries.js";
import { keyState } from "../../src/buildd_server/web/pages/settings/keys.js";
import {
  differing,
  json,
  lines,
  number,
  ticked,
} from "../../src/buildd_server/web/parts/dialogs.js";
import { granted, levelOf, toggled } from "../../src/buildd_server/web/parts/grants.js";

const NOW = Date.parse("2026-11-23T05:00:00Z");
const LATER = "2026-11-24T05:00:00Z";
const BEFORE = "2026-11-22T05:00:00Z";

/** @param {object} more */
function key(more) {
  return /** @type {import("../../src/buildd_server/web/types.js").Key} */ ({
    expiresAt: null,
    revokedAt: null,
    replacedBy: null,
    ...more,
  });
}

test("a key works, ends, has ended or was revoked", () => {
  const words = [
    [{}, "works", false],
    [{ expiresAt: LATER }, "ends", false],
    [{ expiresAt: LATER, replacedBy: "key_b" }, "replaced, ends", false],
    [{ expiresAt: BEFORE, replacedBy: "key_b" }, "expired", true],
    [{ expiresAt: LATER, revokedAt: BEFORE }, "revoked", true],
  ];
  for (const [more, word, over] of words) {
    const state = keyState(key(/** @type {object} */ (more)), NOW);
    assert.deepEqual([state.word, state.over], [word, over]);
  }
});

test("levels and grants say the same", () => {
  for (const level of /** @type {const} */ (["read", "claim", "create", "both"]))
    assert.equal(levelOf({ accountId: "acc_a", workspaceId: "ws_a", ...granted(level) }), level);
  assert.equal(levelOf(undefined), "none");
});

test("who may do something may look, and who may not look may nothing", () => {
  assert.equal(toggled("none", "claim"), "claim");
  assert.equal(toggled("claim", "create"), "both");
  assert.equal(toggled("both", "claim"), "create");
  assert.equal(toggled("claim", "claim"), "read");
  assert.equal(toggled("both", "read"), "none");
  assert.equal(toggled("none", "read"), "read");
});

test("a change sends only what is another way", () => {
  const before = { name: "a", limit: null, config: { b: 1 }, untouched: 3 };
  assert.deepEqual(differing(before, { name: "a", limit: null, config: { b: 1 } }), {});
  assert.deepEqual(differing(before, { name: "b", limit: 4, config: { b: 2 } }), {
    name: "b",
    limit: 4,
    config: { b: 2 },
  });
});

test("what is typed becomes what the API takes", () => {
  assert.equal(number(" "), null);
  assert.equal(number("0"), 0);
  assert.equal(number("2.5"), 2.5);
  assert.deepEqual(lines(" --a\n\n --b=c d \n"), ["--a", "--b=c d"]);
  assert.deepEqual(ticked({ "scope.read": "on", name: "x", "scope.claim": "on" }, "scope"), [
    "read",
    "claim",
  ]);
  assert.deepEqual(json("config", ""), {});
  assert.deepEqual(json("config", '{"a": [1]}'), { a: [1] });
});

test("what is no JSON object is refused at its field", () => {
  for (const text of ["{", "[]", "null", "3"])
    assert.throws(
      () => json("config", text),
      (error) => error instanceof ApiError && error.errors[0]?.field === "config",
    );
});

test("a hook is named by its host, for the rest of its URL may be a secret", () => {
  assert.equal(hostOf("https://chat.example.com/services/T0/B0/secret"), "chat.example.com");
  assert.equal(hostOf("no address"), "an address");
});
