// The core's parts that need no browser: frames of the stream, entities in order, addresses, and which
// page an address shows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../../src/buildd_server/web/app/api.js";
import { Collection } from "../../src/buildd_server/web/app/collection.js";
import { match } from "../../src/buildd_server/web/app/router.js";
import { frames } from "../../src/buildd_server/web/app/sse.js";
import { safeAddress } from "../../src/buildd_server/web/app/vdom.js";
import { HOSTILE_ADDRESSES, isAllowed } from "./hostile.js";

const STREAM =
  ': subscribed\n\nid: 7\ndata: {"seq":7}\n\n: ping\n\nevent: reset\nid: 9\ndata: one\ndata:  two\n\ndata\nid\n\n';
const FRAMES = [
  { id: null, event: "message", data: null },
  { id: "7", event: "message", data: '{"seq":7}' },
  { id: null, event: "message", data: null },
  { id: "9", event: "reset", data: "one\n two" },
  { id: "", event: "message", data: "" },
];

test("frames are the same wherever the stream is cut", () => {
  for (const text of [STREAM, STREAM.replaceAll("\n", "\r\n")]) {
    for (let first = 0; first <= text.length; first += 1) {
      const read = frames();
      const found = [...read(text.slice(0, first)), ...read(text.slice(first))];
      assert.deepEqual(found, FRAMES, `cut at ${first}`);
    }
    const read = frames();
    assert.deepEqual([...text].flatMap(read), FRAMES);
  }
});

test("a frame that is not whole is kept back", () => {
  const read = frames();
  assert.deepEqual(read("data: half"), []);
  assert.deepEqual(read(" of it\n"), []);
  assert.deepEqual(
    read("\n").map(({ data }) => data),
    ["half of it"],
  );
});

test("a collection tells its newest first, sorted once per change", () => {
  /** @type {Collection<{id: string, title?: string}>} */
  const those = new Collection();
  those.putAll([{ id: "b" }, { id: "c" }, { id: "a" }]);
  const list = those.newest();
  assert.deepEqual(
    list.map(({ id }) => id),
    ["c", "b", "a"],
  );
  assert.equal(those.newest(), list);
  assert.equal(those.amend("b", { title: "B" }), true);
  assert.notEqual(those.newest(), list);
  assert.deepEqual(those.get("b"), { id: "b", title: "B" });
  assert.deepEqual(list[1], { id: "b" });
});

test("a collection changes nothing that it does not know", () => {
  const those = new Collection();
  those.put({ id: "a" });
  const version = those.version;
  assert.equal(those.amend("b", {}), false);
  assert.equal(those.amend(null, {}), false);
  those.remove("b");
  those.remove(undefined);
  assert.equal(those.version, version);
  those.remove("a");
  assert.equal(those.get("a"), undefined);
  assert.deepEqual(those.newest(), []);
  those.clear();
  assert.notEqual(those.version, version);
});

test("each address has its page, and no other", () => {
  const pages = {
    "/": "board",
    "/tasks/task_1": "task",
    "/fleet": "fleet",
    "/spend": "spend",
    "/workspaces": "workspaces",
    "/workspaces/ws_1": "workspaces",
    "/settings": "settings",
    "/events": "events",
    "/login": "login",
  };
  for (const [path, name] of Object.entries(pages)) assert.equal(match(path)?.route.name, name);
  assert.deepEqual(match("/tasks/task_1")?.params, { id: "task_1" });
  for (const path of ["", "/tasks", "/tasks/", "/tasks/a/b", "/api/tasks", "/fleet/", "/spend/x"])
    assert.equal(match(path), null, path);
});

test("an address of the API says only what is asked", () => {
  assert.equal(address("/tasks"), "/api/tasks");
  const query = { ids: "a,b", open: true, limit: 0, none: null, nothing: undefined, empty: "" };
  assert.equal(address("/tasks", query), "/api/tasks?ids=a%2Cb&open=true&limit=0");
});

test("an address that could run something leads nowhere", () => {
  /** @type {any} */ (globalThis).location = { origin: "https://buildd.test" };
  for (const each of HOSTILE_ADDRESSES) {
    const safe = safeAddress(each);
    const led = safe === null || (/^[/#?]/.test(safe) && !/^\/[/\\]/.test(safe));
    assert.ok(led || ["http:", "https:", "mailto:"].includes(new URL(safe ?? "").protocol), each);
  }
  for (const each of [null, undefined, {}, 7, "blob:https://evil.test/1", "//evil.test"])
    assert.equal(safeAddress(each), null, String(each));
});

test("an address that only leads is kept", () => {
  /** @type {any} */ (globalThis).location = { origin: "https://buildd.test" };
  for (const each of ["/tasks/1?a=b#c", "#main", "?q=1", "https://a.test/b", "mailto:a@b.test"])
    assert.equal(safeAddress(each), each);
  assert.ok(isAllowed(safeAddress("https://a.test/b") ?? ""));
  assert.equal(safeAddress("blob:https://buildd.test/1"), "blob:https://buildd.test/1");
});
