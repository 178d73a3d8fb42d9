// What people read in place of numbers and ISO dates.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as words from "../../src/buildd_server/web/text/words.js";

const NOW = "2026-11-23T04:54:10.123456Z";

/** @param {(value: any) => string} shown @param {[any, string][]} cases */
function all(shown, cases) {
  for (const [value, expected] of cases) {
    assert.equal(shown(value), expected, `of ${JSON.stringify(value)}`);
  }
}

test("money has the digits that matter", () => {
  all(words.money, [
    ["0.0031", "$0.0031"],
    ["12.400000", "$12.40"],
    [1204.4, "$1,204"],
    [0, "$0"],
    ["0.000000", "$0"],
    [0.00001, "<$0.0001"],
    [-0.00001, "-<$0.0001"],
    [0.00999, "$0.01"],
    [0.01, "$0.01"],
    [0.1, "$0.10"],
    [999.99, "$999.99"],
    [999.996, "$1,000"],
    [-3.1, "-$3.10"],
    [null, "–"],
    [undefined, "–"],
    ["", "–"],
    ["lots", "–"],
    [Number.POSITIVE_INFINITY, "–"],
  ]);
});

test("counts, shares and sizes", () => {
  all(words.count, [
    [0, "0"],
    [120400, "120,400"],
    [null, "–"],
  ]);
  all(words.percent, [
    [0, "0%"],
    [0.001, "<1%"],
    [0.425, "43%"],
    [0.999, ">99%"],
    [1, "100%"],
    [1.5, "150%"],
    [null, "–"],
  ]);
  all(words.bytes, [
    [0, "0 B"],
    [812, "812 B"],
    [999, "999 B"],
    [1000, "1 kB"],
    [3_400_000, "3.4 MB"],
    [999_999, "1 MB"],
    [340_000_000, "340 MB"],
    [5e15, "5,000 TB"],
    [null, "–"],
  ]);
});

test("one is singular", () => {
  assert.equal(words.plural(1, "task"), "1 task");
  assert.equal(words.plural(0, "task"), "0 tasks");
  assert.equal(words.plural(1204, "reply", "replies"), "1,204 replies");
});

test("moments are near or far from now", () => {
  /** @param {any} at */
  const relative = (at) => words.relative(at, NOW, "UTC");
  all(relative, [
    [NOW, "just now"],
    ["2026-11-23T04:54:13Z", "just now"],
    ["2026-11-23T04:53:50Z", "20 s ago"],
    ["2026-11-23T04:50:50Z", "3 min ago"],
    ["2026-11-23T06:55:00Z", "in 2 h"],
    ["2026-11-20T04:54:10Z", "3 d ago"],
    ["2026-09-01T04:54:10Z", "1 Sept 2026"],
    [null, "–"],
    ["never", "–"],
  ]);
});

test("dates are shown in the reader's zone", () => {
  assert.equal(words.date(NOW, "Asia/Tokyo"), "23 Nov 2026");
  assert.equal(words.date(NOW, "America/New_York"), "22 Nov 2026");
  assert.equal(words.timeOfDay("2026-11-23T00:05:00Z", "UTC"), "00:05:00");
  assert.equal(words.timeOfDay("2026-11-23T04:54:10", "UTC"), "04:54:10");
  assert.equal(words.timeOfDay(new Date(NOW), "Asia/Tokyo"), "13:54:10");
  assert.match(words.exact(NOW, "UTC"), /^Mon,? 23 November 2026 at 04:54:10 UTC$/);
  assert.equal(words.dayOfMonth("2026-11-23"), "23 Nov");
  assert.equal(words.date(null), "–");
  assert.equal(words.date(1e20), "–");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  assert.equal(words.exact(NOW), words.exact(NOW, zone));
});
