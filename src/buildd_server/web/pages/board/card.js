// One task as the board shows it: what it is, who is at it, and how far they are.

import { now } from "../../app/clock.js";
import { needsApproval } from "../../app/store.js";
import { h } from "../../app/vdom.js";
import { bar } from "../../parts/bars.js";
import { icon } from "../../parts/icons.js";
import { accountName, when, workspaceName } from "../../parts/pieces.js";
import { badge, chip, tone } from "../../parts/states.js";
import { openWhy } from "../../parts/why.js";
import { asksBudget } from "../../text/questions.js";
import { money, relative } from "../../text/words.js";
import { createMemo } from "./memo.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Task} Task
 * @typedef {import("../../types.js").Worker} Worker
 * @typedef {{focused: (id: string) => void, left: (id: string, link: HTMLElement) => void,
 *   gone: (id: string) => void}} Focus
 */

const CHIPS = 2; // Capabilities that are named before the rest is counted.

/**
 * Draws cards, each anew only if something on it has changed.
 * @param {App} app
 * @param {Focus} focus is told where the keyboard is
 */
export function createCards(app, focus) {
  const memo = createMemo();

  /** @param {Task} task */
  return (task) => {
    const worker = app.store.workerOf(task.id);
    const names = [workspaceName(app, task.workspaceId), accountOf(app, task, worker)];
    const parts = [task, worker, ...names, relative(since(task), now())];
    return memo(task.id, parts, () => card(app, task, worker, focus));
  };
}

/**
 * @param {App} app
 * @param {Task} task
 * @param {Worker | undefined} worker
 * @param {Focus} focus
 */
function card(app, task, worker, focus) {
  const { id, title } = task;
  const account = accountOf(app, task, worker);
  return h(
    "div",
    { key: id, class: "card-place", role: "listitem" },
    h(
      "article",
      {
        class: [
          "card",
          `tone-${tone(worker?.waitingFor ? "waiting_input" : (worker?.status ?? task.status))}`,
        ],
      },
      h(
        "a",
        {
          class: "card-title",
          href: `/tasks/${id}`,
          dir: "auto",
          title,
          "data-task": id,
          onfocus: () => focus.focused(id),
          onblur: (/** @type {FocusEvent} */ event) =>
            focus.left(id, /** @type {HTMLElement} */ (event.target)),
          ref: () => () => focus.gone(id),
        },
        h("span", null, title),
      ),
      h(
        "div",
        { class: "card-facts" },
        h("span", { class: "card-where" }, workspaceName(app, task.workspaceId)),
        account && h("span", { class: "card-who" }, account),
        facts(task),
      ),
      h(
        "div",
        { class: "card-foot" },
        state(app, task, worker),
        h("span", { class: "card-when" }, when(since(task))),
      ),
    ),
  );
}

/** @param {App} app @param {Task} task @param {Worker | undefined} worker */
function accountOf(app, task, worker) {
  const id = worker?.accountId ?? task.claimedBy;
  return id ? accountName(app, id) : "";
}

/** The moment that matters: since when it waits, is worked on, or is over. @param {Task} task */
function since({ status, createdAt, claimedAt, updatedAt }) {
  if (status === "pending") return createdAt;
  return status === "running" || status === "assigned" ? (claimedAt ?? updatedAt) : updatedAt;
}

/** What is not as usual. @param {Task} task */
function facts({ runnerPreference, requiredCapabilities, priority, attempt, maxAttempts }) {
  const wanted = requiredCapabilities ?? [];
  return [
    priority !== 0 && chip(priority > 0 ? `↑${priority}` : `↓${-priority}`, `Priority ${priority}`),
    (runnerPreference ?? "any") !== "any" && chip(runnerPreference, "For accounts of this type"),
    wanted.slice(0, CHIPS).map((each) => chip(each, "Required capability")),
    wanted.length > CHIPS && chip(`+${wanted.length - CHIPS}`, wanted.slice(CHIPS).join(", ")),
    attempt > 1 && chip(`attempt ${attempt} of ${maxAttempts}`),
  ];
}

/** @param {App} app @param {Task} task @param {Worker | undefined} worker */
function state(app, task, worker) {
  if (task.status === "pending") return waiting(app, task);
  if (task.status === "running" || task.status === "assigned") return working(task, worker);
  if (task.status === "cancelled") return h("span", { class: "card-state" }, "cancelled");
  if (task.status === "failed")
    return h("span", { class: "card-state card-error", title: task.error }, task.error || "failed");
  return h(
    "span",
    { class: "card-state" },
    icon("check"),
    Number(task.costUsd) > 0 && money(task.costUsd),
  );
}

/** @param {App} app @param {Task} task */
function waiting(app, task) {
  const approval = needsApproval(task);
  const word = approval ? "Needs approval" : "Why is it waiting?";
  return h(
    "button",
    {
      type: "button",
      class: ["card-why", approval && "asks"],
      "aria-label": `${word} ${task.title}`,
      onclick: () => openWhy(app, task),
    },
    word,
  );
}

/** @param {Task} task @param {Worker | undefined} worker */
function working(task, worker) {
  if (!worker) return h("span", { class: "card-state" }, "starting");
  const asks = worker.waitingFor !== null;
  const budget = asksBudget(worker.waitingFor);
  return h(
    "span",
    { class: "card-state" },
    asks
      ? badge("waiting_input", budget ? "budget used up" : "asks")
      : worker.status === "paused"
        ? badge("paused")
        : bar(worker.progress / 100, "Progress"),
    h("span", { class: "figure" }, money(Math.max(Number(task.costUsd), Number(worker.costUsd)))),
  );
}
