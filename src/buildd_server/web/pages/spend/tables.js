// The tables and figures around the chart of spending: filters, sums, budgets of today, tasks, what runs now.

import { h } from "../../app/vdom.js";
import { spentToday } from "../../parts/bars.js";
import {
  accountName,
  dollars,
  named,
  select,
  shortId,
  table,
  taskLink,
  workspaceName,
} from "../../parts/pieces.js";
import { badge } from "../../parts/states.js";
import { byOwner, change, dayOf, MOST_DAYS, total } from "../../text/spending.js";
import { count, money, percent, plural } from "../../text/words.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../app/vdom.js").Child} Child
 * @typedef {import("../../text/spending.js").Spend} Spend
 * @typedef {import("../../text/spending.js").Period} Period
 * @typedef {import("./read.js").Asked} Asked
 */

const RUNNING = 10;

/** The period, whose spending, and the colours; the address keeps it. @param {App} app @param {Asked} what */
export function spendFilters(app, { period, owner, accountId, workspaceId }) {
  return h(
    "div",
    { class: "spend-filters", role: "search", "aria-label": "Spending" },
    h(
      "div",
      { class: "segments", role: "group", "aria-label": "Period" },
      [7, 30, 90].map((days) =>
        segment(`${days} days`, period.days === days, () =>
          app.setQuery({ days: String(days), since: null, until: null }),
        ),
      ),
      segment("Custom", period.days === null, () =>
        app.setQuery({ days: null, since: period.since, until: period.until }),
      ),
    ),
    period.days === null && [day(app, "since", "From", period), day(app, "until", "To", period)],
    choice(app, "account", accountId, app.store.accounts.newest()),
    choice(app, "workspace", workspaceId, app.store.workspaces.newest()),
    h(
      "div",
      { class: "segments", role: "group", "aria-label": "Colours" },
      segment("By account", owner === "accountId", () => app.setQuery({ by: null })),
      segment("By workspace", owner === "workspaceId", () => app.setQuery({ by: "workspace" })),
    ),
  );
}

/** @param {string} name @param {boolean} on @param {() => void} onclick */
function segment(name, on, onclick) {
  return h("button", { type: "button", key: name, "aria-pressed": String(on), onclick }, name);
}

/** @param {App} app @param {"since" | "until"} name @param {string} label @param {Period} period */
function day(app, name, label, period) {
  return h("input", {
    type: "date",
    key: name,
    "aria-label": label,
    value: period[name],
    max: dayOf(Date.now()),
    title: `${label}: at most ${MOST_DAYS} days, which begin at midnight UTC`,
    onchange: (/** @type {any} */ event) =>
      event.target.value && app.setQuery({ [name]: event.target.value }),
  });
}

/** @param {App} app @param {"account" | "workspace"} name @param {string | undefined} value @param {{id: string, name: string}[]} things */
function choice(app, name, value, things) {
  if (things.length === 0) return null;
  return select({
    label: name === "account" ? "Account" : "Workspace",
    value,
    options: [["", `All ${name}s`], ...named(things)],
    choose: (chosen) => app.setQuery({ [name]: chosen }),
  });
}

/**
 * The sums: of the period against the one before, of an attempt, of what runs now.
 * @param {App} app
 * @param {Period & {days: number | null}} period
 * @param {{now: number, before: number, attempts: Spend[]}} figures
 */
export function sums(app, period, { now, before, attempts: rows }) {
  const attempts = rows.reduce((all, each) => all + each.attempts, 0);
  const live = app.store.live();
  return h(
    "dl",
    { class: "sums" },
    sum(
      period.days ? `Last ${period.days} days` : "This period",
      dollars(now),
      difference(now, before),
    ),
    sum("Attempts", count(attempts), attempts > 0 && `${money(now / attempts)} each`),
    sum("Running now", dollars(runningCost(app)), plural(live.length, "worker")),
  );
}

/** @param {string} name @param {Child} value @param {Child} about */
function sum(name, value, about) {
  return h(
    "div",
    { key: name },
    h("dt", null, name),
    h("dd", { class: "sum" }, value),
    h("dd", { class: "soft" }, about),
  );
}

/** @param {number} now @param {number} before */
function difference(now, before) {
  const share = change(now, before);
  if (share === null) return "nothing in the period before";
  if (Math.abs(share) < 0.005) return `as in the period before (${money(before)})`;
  return `${percent(Math.abs(share))} ${share > 0 ? "more" : "less"} than the period before (${money(before)})`;
}

/**
 * What the accounts or workspaces spent, and their budgets of today.
 * @param {App} app
 * @param {"account" | "workspace"} kind
 * @param {Spend[]} rows
 */
export function budgets(app, kind, rows) {
  const spent = new Map(
    byOwner(rows, kind === "account" ? "accountId" : "workspaceId").map((each) => [each.id, each]),
  );
  const those = kind === "account" ? app.store.accounts.newest() : app.store.workspaces.newest();
  const gone = [...spent.values()].filter(({ id }) => !those.some((each) => each.id === id));
  const cost = (/** @type {string} */ id) => spent.get(id)?.costUsd ?? 0;
  const listed = those.toSorted((a, b) => cost(b.id) - cost(a.id) || (a.name < b.name ? -1 : 1));
  const title = kind === "account" ? "Accounts" : "Workspaces";
  return section(
    title,
    [title.slice(0, -1), "Period", "Attempts", "Today"],
    [
      ...listed.map((each) => ({
        key: each.id,
        cells: [
          link(app, kind, each.id),
          dollars(cost(each.id)),
          count(spent.get(each.id)?.attempts ?? 0),
          spentToday(each),
        ],
      })),
      ...gone.map(({ id, costUsd, attempts }) => ({
        key: id,
        cells: [h("span", { class: "faint" }, shortId(id)), dollars(costUsd), count(attempts), "–"],
      })),
    ],
  );
}

/** @param {App} app @param {"account" | "workspace"} kind @param {string} id */
function link(app, kind, id) {
  if (kind === "account") return h("a", { href: "/fleet" }, accountName(app, id));
  return h("a", { href: `/workspaces/${id}` }, workspaceName(app, id));
}

/** The tasks that cost most. @param {App} app @param {Spend[]} rows */
export function topTasks(app, rows) {
  const most = rows
    .toSorted((a, b) => Number(b.costUsd) - Number(a.costUsd))
    .filter(({ costUsd }) => Number(costUsd) > 0);
  if (most.length === 0) return null;
  return section(
    "Most expensive tasks",
    ["Task", "Workspace", "Period", "Attempts"],
    most.map(({ taskId, costUsd, attempts }) => {
      const id = taskId ?? "";
      const task = app.store.tasks.get(id);
      return {
        key: id,
        cells: [
          taskLink(app, id),
          task ? workspaceName(app, task.workspaceId) : "",
          dollars(costUsd),
          count(attempts),
        ],
      };
    }),
  );
}

/** What all live workers have cost so far. @param {App} app */
export function runningCost(app) {
  return total(app.store.live().map(({ costUsd }) => ({ costUsd, attempts: 1 })));
}

/** The live workers that cost most. @param {App} app */
export function running(app) {
  const most = app.store
    .live()
    .toSorted((a, b) => b.costUsd - a.costUsd)
    .slice(0, RUNNING);
  if (most.length === 0) return null;
  return section(
    "Running now, by cost",
    ["Task", "Account", "State", "So far"],
    most.map(({ id, taskId, accountId, status, costUsd }) => ({
      key: id,
      cells: [taskLink(app, taskId), accountName(app, accountId), badge(status), dollars(costUsd)],
    })),
  );
}

/** @param {string} title @param {string[]} heads @param {{key: string, cells: Child[]}[]} rows */
function section(title, heads, rows) {
  return h("section", { key: title }, h("h2", null, title), table(title, heads, rows));
}
