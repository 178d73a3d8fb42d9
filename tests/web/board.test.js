// What the board works out without a browser: columns without holes, keys, hindrances and new tasks.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  accepts,
  filtersOf,
  floor,
  grouped,
  moved,
} from "../../src/buildd_server/web/pages/board/columns.js";
import { taskOf } from "../../src/buildd_server/web/parts/task-form.js";
import { agentCommand, quoted } from "../../src/buildd_server/web/text/commands.js";
import { remedy, sentenceOf } from "../../src/buildd_server/web/text/remedies.js";

/** @param {Record<string, unknown>} fields @returns {any} */
function task(fields) {
  return {
    id: "task_1",
    workspaceId: "ws_1",
    status: "pending",
    title: "Fix it",
    runnerPreference: "any",
    requiredCapabilities: [],
    claimedBy: null,
    maxCost: null,
    costUsd: 0,
    ...fields,
  };
}

const all = { oldest: "task_1", all: true, reading: false };

test("a column is known down to the newest of its statuses' ends", () => {
  assert.equal(floor([all]), "");
  assert.equal(floor([all, { oldest: null, all: false }]), null);
  const [older, newer] = [
    { oldest: "task_3", all: false },
    { oldest: "task_7", all: false },
  ];
  assert.equal(floor([older, newer, all]), "task_7");
});

test("what lies below a column's floor stays out, for others are missing between", () => {
  const tasks = [9, 8, 5, 2].map((each) => task({ id: `task_${each}` }));
  const ids = (/** @type {(string | null)[]} */ floors) =>
    grouped(tasks, floors, () => true).map((group) => group.map((each) => each.id));
  assert.deepEqual(ids(["task_5", "", "", ""])[0], ["task_9", "task_8", "task_5"]);
  assert.deepEqual(ids(["", "", "", ""])[0]?.length, 4);
  assert.deepEqual(ids([null, "", "", ""])[0], []);
});

test("a task that moves on stands in one column only", () => {
  const states = ["pending", "assigned", "running", "completed", "failed", "cancelled"];
  const tasks = states.map((status, at) => task({ id: `task_${9 - at}`, status }));
  const sizes = grouped(tasks, ["", "", "", ""], () => true).map((group) => group.length);
  assert.deepEqual(sizes, [1, 2, 1, 2]);
});

test("filters say of a task what the server says", () => {
  const found = (/** @type {Record<string, string>} */ query) => accepts(filtersOf(query));
  assert.ok(found({})(task({})));
  assert.ok(found({ text: "LOGIN ß" })(task({ title: "Fix the login ß form" })));
  assert.ok(found({ text: "task_1" })(task({})));
  assert.ok(found({ text: "gh-7" })(task({ externalId: "gh-7" })));
  assert.ok(!found({ text: "task_" })(task({})));
  assert.ok(!found({ text: "logout" })(task({ title: "login" })));
  assert.ok(!found({ workspace: "ws_2" })(task({})));
  assert.ok(!found({ route: "user" })(task({})));
  assert.ok(found({ account: "acc_1", route: "any" })(task({ claimedBy: "acc_1" })));
});

test("keys go through a column and to the next that has something", () => {
  const lengths = [3, 0, 2, 0];
  assert.deepEqual(moved(lengths, { column: 0, index: -1 }, "j"), { column: 0, index: 0 });
  assert.deepEqual(moved(lengths, { column: 0, index: 2 }, "j"), { column: 0, index: 2 });
  assert.deepEqual(moved(lengths, { column: 0, index: 2 }, "l"), { column: 2, index: 1 });
  assert.deepEqual(moved(lengths, { column: 2, index: 1 }, "l"), { column: 2, index: 1 });
  assert.deepEqual(moved(lengths, { column: 2, index: 1 }, "h"), { column: 0, index: 1 });
});

test("a hindrance is told with its figures", () => {
  const said = sentenceOf(
    { code: "no_budget", message: "the budget does not allow it", limit: 20, current: 19.5 },
    task({ maxCost: 5, costUsd: 1 }),
  );
  assert.equal(
    said,
    "The budget does not allow it ($19.50 of $20.00 spent or set aside, and it may cost $4.00).",
  );
});

test("commands quote what other people wrote", () => {
  assert.equal(quoted("gpu"), "gpu");
  assert.equal(quoted("a'b;rm"), `'a'"'"'b;rm'`);
  const wants = task({ requiredCapabilities: ["gpu", "$(id)"] });
  assert.ok(
    agentCommand("ws_1", wants.requiredCapabilities).endsWith(
      " --capability gpu --capability '$(id)'",
    ),
  );
  assert.equal(
    remedy("no_grant", { kind: "account", id: "acc_1" }, wants),
    "buildd accounts grant acc_1 ws_1",
  );
  assert.equal(remedy("not_yet", { kind: "account", id: "acc_1" }, wants), null);
});

test("a new task says what was filled in, and nothing else", () => {
  const made = taskOf(
    {
      workspaceId: "ws_1",
      title: " Fix it ",
      description: "",
      runnerPreference: "any",
      requiredCapabilities: "gpu, , macos,gpu",
      priority: "0",
      maxCost: "",
      maxAttempts: "3",
      timeoutSeconds: "",
      notBefore: "",
    },
    ["task_1"],
  );
  assert.deepEqual(JSON.parse(JSON.stringify(made)), {
    workspaceId: "ws_1",
    title: "Fix it",
    runnerPreference: "any",
    requiredCapabilities: ["gpu", "macos"],
    priority: 0,
    dependsOn: ["task_1"],
    maxAttempts: 3,
  });
});
