// What the agents cost: per day, account, workspace and task, against the period before and today's budgets.

import { ApiError } from "../app/api.js";
import { h } from "../app/vdom.js";
import { icon } from "../parts/icons.js";
import { accountName, button, empty, head, workspaceName } from "../parts/pieces.js";
import { agentCommand } from "../text/commands.js";
import { barsOf, csv, daysOf, periodOf, seriesOf, total } from "../text/spending.js";
import { date, dayOfMonth } from "../text/words.js";
import { createChart } from "./spend/chart.js";
import { download, exported, readAll, readByDay } from "./spend/read.js";
import { budgets, running, runningCost, spendFilters, sums, topTasks } from "./spend/tables.js";

/**
 * @typedef {import("../app/main.js").App} App
 * @typedef {import("../text/spending.js").Spend} Spend
 * @typedef {import("../text/spending.js").Period} Period
 * @typedef {import("../text/spending.js").Owner} Owner
 * @typedef {import("./spend/read.js").Asked} Asked
 * @typedef {import("./spend/read.js").Read} Read
 */

const GENTLY = 5000; // Milliseconds from one reading to the next, whatever happens.

/** @type {import("../app/router.js").PageMaker} */
export function page(app) {
  const chart = createChart(app.redraw);
  /** @type {Read | null} */
  let read = null;
  /** @type {ApiError | null} */
  let refusal = null;
  let wanted = "";
  let reading = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;

  /** What the address asks for. @returns {Asked} */
  function asked() {
    const query = app.query();
    return {
      period: periodOf(query, Date.now()),
      owner: query.by === "workspace" ? "workspaceId" : "accountId",
      accountId: query.account,
      workspaceId: query.workspace,
    };
  }

  /** @param {Asked} what */
  async function load(what) {
    reading.abort();
    reading = new AbortController();
    const { signal } = reading;
    try {
      const found = await readAll(app, what, signal);
      if (signal.aborted) return;
      read = found;
      refusal = null;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      refusal = error;
    }
    app.redraw();
  }

  function again() {
    void load(asked());
  }

  /** Read again, but not more often than is good for a page that stays open. */
  function soon() {
    waiting ??= setTimeout(() => {
      waiting = undefined;
      again();
    }, GENTLY);
  }

  /** Save all figures of the period as a file. @param {Asked} what */
  async function save(what) {
    const rows = await app.act(() => readByDay(app, what, "day,account,workspace,task"));
    if (rows)
      download(
        csv(exported(app, rows)),
        `buildd-spend-${what.period.since}-${what.period.until}.csv`,
      );
  }

  function view() {
    const what = asked();
    const key = JSON.stringify(what);
    if (key !== wanted) {
      wanted = key;
      queueMicrotask(() => load(what));
    }
    return [
      head(
        "Spend",
        h(
          "button",
          { type: "button", disabled: !read, onclick: () => save(what) },
          icon("down"),
          "Export as CSV",
        ),
      ),
      spendFilters(app, what),
      refusal && trouble(refusal, again),
      read
        ? content(app, what, read)
        : !refusal && h("p", { class: "loading", role: "status" }, "Loading…"),
    ];
  }

  /** @param {App} app @param {Asked} what @param {Read} found */
  function content(app, what, found) {
    const sum = total(found.days);
    if (sum === 0 && found.before === 0 && runningCost(app) === 0) return nothing(app, what);
    return [
      sums(app, what.period, { now: sum, before: found.before, attempts: found.accounts }),
      sum > 0 ? days(app, what, found.days) : nothingIn(app, what),
      h(
        "div",
        { class: "spend-tables" },
        budgets(app, "account", found.accounts),
        budgets(app, "workspace", found.workspaces),
        topTasks(app, found.tasks),
        running(app),
      ),
    ];
  }

  /** @param {App} app @param {Asked} what @param {Spend[]} rows */
  function days(app, { period, owner }, rows) {
    const series = seriesOf(rows, owner);
    const bars = barsOf(rows, daysOf(period), owner, series);
    const name = (/** @type {{id: string}} */ each) => nameOf(app, owner, each.id);
    return h(
      "section",
      { class: "panel", "aria-labelledby": "per-day" },
      h("h2", { id: "per-day" }, "Per day"),
      chart.view({
        label: "Spend per day",
        whole: told(period),
        bars,
        series,
        name,
        open: (day) => app.setQuery({ since: day, until: day, days: null }),
      }),
    );
  }

  return {
    title: () => "Spend",
    view,
    /** @param {import("../types.js").Event} event */
    hear(event) {
      if (event.type === "worker:cost") soon();
    },
    reset: again,
    close() {
      clearTimeout(waiting);
      reading.abort();
    },
  };
}

/** @param {App} app @param {Owner} owner @param {string} id */
function nameOf(app, owner, id) {
  if (id === "other") return "all others";
  return owner === "accountId" ? accountName(app, id) : workspaceName(app, id);
}

/** A period in words. @param {Period} period */
function told({ since, until }) {
  return since === until ? date(since, "UTC") : `${dayOfMonth(since)} – ${date(until, "UTC")}`;
}

/** @param {ApiError} error @param {() => void} again */
function trouble(error, again) {
  return h(
    "div",
    { class: "notice error", role: "alert", key: "trouble" },
    h("p", null, "The spending could not be read: ", error.message),
    button("Try again", again),
  );
}

/** @param {App} app @param {Asked} what */
function nothing(app, what) {
  if (!isWidest(what)) return nothingIn(app, what);
  return empty(app, {
    title: "Nothing spent yet",
    text: "Agents report what their models cost while they work. Let one take the tasks that wait:",
    command: agentCommand(app.store.workspaces.newest()[0]?.id ?? "ws_…"),
  });
}

/** @param {Asked} what */
function isWidest({ accountId, workspaceId, period }) {
  return !accountId && !workspaceId && period.days === 90;
}

/** @param {App} app @param {Asked} what */
function nothingIn(app, what) {
  const widest = { days: "90", since: null, until: null, account: null, workspace: null };
  return h(
    "div",
    { class: "empty", key: "nothing" },
    h("h2", null, "Nothing spent in this period"),
    !isWidest(what) && button("Show the last 90 days of all", () => app.setQuery(widest)),
  );
}
