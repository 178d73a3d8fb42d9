// The arithmetic under the chart of spending: periods, stacks, axes, and what goes into a file.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as spending from "../../src/buildd_server/web/text/spending.js";
import { random } from "./hostile.js";

const NOW = Date.parse("2026-11-23T23:59:59Z");

/** @param {Record<string, string>} query */
function period(query) {
  const { since, until, days } = spending.periodOf(query, NOW);
  return [since, until, days];
}

test("a period is its last days, today among them", () => {
  assert.deepEqual(period({}), ["2026-10-25", "2026-11-23", 30]);
  assert.deepEqual(period({ days: "7" }), ["2026-11-17", "2026-11-23", 7]);
  assert.deepEqual(period({ days: "12" }), ["2026-10-25", "2026-11-23", 30]);
});

test("a period of one's own ends today at the latest and is a year at the most", () => {
  const one = { since: "2026-11-01", until: "2026-11-03", days: "7" };
  assert.deepEqual(period(one), ["2026-11-01", "2026-11-03", null]);
  assert.deepEqual(period({ since: "2026-11-20" }), ["2026-11-20", "2026-11-23", null]);
  assert.deepEqual(period({ until: "2027-01-01" }), ["2026-11-23", "2026-11-23", null]);
  assert.deepEqual(period({ since: "2026-11-20", until: "2026-11-10" }), [
    "2026-11-10",
    "2026-11-10",
    null,
  ]);
  const long = spending.periodOf({ since: "1999-01-01" }, NOW);
  assert.equal(spending.daysOf(long).length, spending.MOST_DAYS);
});

test("what is no day of the calendar is not taken for one", () => {
  for (const since of ["2026-02-30", "yesterday", "2026-1-1", "", "2026-11-01T00:00"])
    assert.deepEqual(period({ since }), ["2026-10-25", "2026-11-23", 30], since);
});

test("the period before is as long, and ends the day before", () => {
  const before = spending.before({ since: "2026-03-01", until: "2026-03-31" });
  assert.deepEqual(before, { since: "2026-01-29", until: "2026-02-28" });
  assert.equal(spending.daysOf(before).length, 31);
});

/** @param {string} day @param {string} accountId @param {number} costUsd */
function spent(day, accountId, costUsd) {
  return { day, accountId, costUsd, attempts: 1 };
}

test("the seven who spent most have colours by their ids, all others are one", () => {
  const rows = Array.from({ length: 10 }, (_, index) => spent("2026-11-23", `a${index}`, index));
  const series = spending.seriesOf(rows, "accountId");
  assert.deepEqual(
    series.map(({ id, place }) => [id, place]),
    [...[3, 4, 5, 6, 7, 8, 9].map((each, place) => [`a${each}`, place]), ["other", "other"]],
  );
  assert.equal(series.at(-1)?.costUsd, 1 + 2);
});

test("a colour stays when another comes to spend more", () => {
  const rows = [spent("2026-11-22", "a", 5), spent("2026-11-22", "b", 1)];
  const later = [...rows, spent("2026-11-23", "b", 9)];
  const places = (/** @type {any[]} */ some) =>
    spending.seriesOf(some, "accountId").map(({ id, place }) => [id, place]);
  assert.deepEqual(places(rows), places(later));
});

test("each day has a bar whose parts lie on each other, and the sums agree", () => {
  const dice = random(5);
  const days = spending.daysOf({ since: "2026-11-01", until: "2026-11-20" });
  const rows = Array.from({ length: 300 }, () =>
    spent(days[dice(days.length)] ?? "", `a${dice(12)}`, dice(1000) / 8),
  );
  const series = spending.seriesOf(rows, "accountId");
  const bars = spending.barsOf(rows, days, "accountId", series);
  assert.deepEqual(
    bars.map(({ day }) => day),
    days,
  );
  for (const bar of bars) {
    let height = 0;
    for (const { costUsd, below } of bar.parts) {
      assert.equal(below, height);
      height += costUsd;
    }
    assert.equal(bar.costUsd, height);
  }
  const sum = bars.reduce((all, { costUsd }) => all + costUsd, 0);
  assert.equal(sum, spending.total(rows));
  assert.equal(sum, spending.total(/** @type {any} */ (series)));
});

test("an axis has round steps and holds the highest", () => {
  assert.deepEqual(spending.ticksOf(25.1), [0, 10, 20, 30]);
  assert.deepEqual(spending.ticksOf(0.003), [0, 0.001, 0.002, 0.003]);
  assert.deepEqual(spending.ticksOf(0), [0, 1]);
  const dice = random(9);
  for (let turn = 0; turn < 2000; turn += 1) {
    const highest = (dice(1_000_000) + 1) / 10 ** dice(9);
    const ticks = spending.ticksOf(highest);
    assert.ok((ticks.at(-1) ?? 0) >= highest * 0.999999, `${highest} in ${ticks}`);
    assert.ok(ticks.length >= 3 && ticks.length <= 6, `${highest} in ${ticks}`);
  }
});

test("a change is a share of what was before, if there was anything", () => {
  assert.equal(spending.change(15, 10), 0.5);
  assert.equal(spending.change(5, 10), -0.5);
  assert.equal(spending.change(5, 0), null);
});

test("a period with more rows than one answer holds is read whole, no row twice", async () => {
  const dice = random(3);
  const whole = { since: "2026-11-01", until: "2026-11-20" };
  const all = spending
    .daysOf(whole)
    .toReversed()
    .flatMap((day) => Array.from({ length: dice(9) }, (_, index) => spent(day, `a${index}`, 1)));
  const most = 9;
  const read = await spending.everyDay(
    async ({ since, until }) =>
      all.filter(({ day }) => since <= day && day <= until).slice(0, most),
    whole,
    most,
  );
  assert.deepEqual(read, all);
});

test("a day that alone has more rows than an answer holds does not stop the reading", async () => {
  const days = ["2026-11-03", "2026-11-02", "2026-11-01"];
  const all = days.flatMap((day) => ["a", "b", "c"].map((id) => spent(day, id, 1)));
  const read = await spending.everyDay(
    async ({ until }) => all.filter(({ day }) => day <= until).slice(0, 2),
    { since: "2026-11-01", until: "2026-11-03" },
    2,
  );
  assert.deepEqual(
    read.map(({ day, accountId }) => `${day} ${accountId}`),
    days.flatMap((day) => [`${day} a`, `${day} b`]),
  );
});

test("a file quotes what must be quoted, and holds no formula", () => {
  assert.equal(
    spending.csv([
      ["day", "name", 1.5, null],
      ['say "hi"', "a,b", "=1+1", "two\nlines"],
      ["-1", -1, "@x", undefined],
    ]),
    'day,name,1.5,\r\n"say ""hi""","a,b",\'=1+1,"two\nlines"\r\n\'-1,-1,\'@x,\r\n',
  );
});
