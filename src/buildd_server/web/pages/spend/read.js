// What the page of spending reads: the period by each of its sides, and all of it as a file.

import { before, everyDay, total } from "../../text/spending.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../text/spending.js").Spend} Spend
 * @typedef {import("../../text/spending.js").Period} Period
 * @typedef {import("../../text/spending.js").Owner} Owner
 * @typedef {{period: Period & {days: number | null}, owner: Owner, accountId: string | undefined,
 *   workspaceId: string | undefined}} Asked
 * @typedef {{days: Spend[], before: number, accounts: Spend[], workspaces: Spend[], tasks: Spend[]}} Read
 */

const MOST = 1000; // Rows that one call answers.
const TOP = 10;

/** All that the page shows. @param {App} app @param {Asked} what @param {AbortSignal} signal @returns {Promise<Read>} */
export async function readAll(app, what, signal) {
  const { since, until } = what.period;
  const spent = (/** @type {Record<string, unknown>} */ query) => ask(app, what, query, signal);
  const [days, earlier, accounts, workspaces, tasks] = await Promise.all([
    readByDay(app, what, what.owner === "accountId" ? "day,account" : "day,workspace", signal),
    spent({ ...before(what.period), by: "day" }),
    spent({ since, until, by: "account" }),
    spent({ since, until, by: "workspace" }),
    spent({ since, until, by: "task", limit: TOP }),
    app.store.readAccounts(),
    app.api.all("/workspaces").then((all) => app.store.workspaces.replace(all)),
  ]);
  return { days, before: total(earlier), accounts, workspaces, tasks };
}

/**
 * The whole period, apart by day and more.
 * @param {App} app
 * @param {Asked} what
 * @param {string} by
 * @param {AbortSignal} [signal]
 */
export function readByDay(app, what, by, signal = undefined) {
  return everyDay((part) => ask(app, what, { ...part, by }, signal), what.period, MOST);
}

/**
 * @param {App} app
 * @param {Asked} what
 * @param {Record<string, unknown>} query
 * @param {AbortSignal} [signal]
 * @returns {Promise<Spend[]>}
 */
function ask(app, { accountId, workspaceId }, query, signal = undefined) {
  return app.api.get("/spend", { limit: MOST, accountId, workspaceId, ...query }, signal);
}

/** The rows of the file. @param {App} app @param {Spend[]} rows */
export function exported(app, rows) {
  const heads = [
    "day",
    "account",
    "account id",
    "workspace",
    "workspace id",
    "task id",
    "cost in USD",
    "attempts",
  ];
  const byDay = rows.toSorted((a, b) => ((a.day ?? "") < (b.day ?? "") ? -1 : 1));
  return [
    heads,
    ...byDay.map(({ day, accountId, workspaceId, taskId, costUsd, attempts }) => [
      day,
      app.store.accounts.get(accountId)?.name,
      accountId,
      app.store.workspaces.get(workspaceId)?.name,
      workspaceId,
      taskId,
      Number(costUsd),
      attempts,
    ]),
  ];
}

/** Save a text as a file. @param {string} text @param {string} name */
export function download(text, name) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
