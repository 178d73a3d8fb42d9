// What a person can do with a task and its live attempt, as their states allow it.

import { needsApproval } from "../../app/store.js";
import { h } from "../../app/vdom.js";
import { openApproval } from "../../parts/approval.js";
import { ask } from "../../parts/dialogs.js";
import { icon } from "../../parts/icons.js";
import { editTask } from "../../parts/task-form.js";
import { openWhy } from "../../parts/why.js";
import { money } from "../../text/words.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Task} Task
 * @typedef {import("../../types.js").Worker} Worker
 * @typedef {{label: string, sign: string, kind?: string, run: () => Promise<unknown> | void, title?: string}} Action
 */

/**
 * @param {App} app
 * @param {() => void} changed
 */
export function createActions(app, changed) {
  let busy = false;

  /** @param {Action} action */
  async function run(action) {
    if (busy) return;
    busy = true;
    app.redraw();
    try {
      await action.run();
    } finally {
      busy = false;
      changed();
      app.redraw();
    }
  }

  /** @param {Action} action */
  function button(action) {
    const { label, sign, kind, title } = action;
    return h(
      "button",
      {
        type: "button",
        key: label,
        class: kind,
        title,
        "aria-disabled": busy && "true",
        onclick: () => run(action),
      },
      icon(sign),
      label,
    );
  }

  return {
    /** @param {Task} task @param {Worker | undefined} worker the one that is not over */
    view(task, worker) {
      if (!app.may("create")) return null;
      return [...ofWorker(app, task, worker), ...ofTask(app, task)].map(button);
    },
  };
}

/** @param {App} app @param {Task} task @param {Worker | undefined} worker @returns {Action[]} */
function ofWorker(app, task, worker) {
  if (!worker) return [];
  const path = `/workers/${worker.id}`;
  const send = (/** @type {string} */ to, /** @type {string} */ done) =>
    app.act(async () => {
      const after = await app.api.post(to);
      if (after.taskId) app.store.workers.put(after);
    }, done);
  const paused = worker.status === "paused";
  /** @type {Action[]} */
  const actions = [];
  if (paused && worker.waitingFor === null)
    actions.push({
      label: "Resume",
      sign: "play",
      kind: "primary",
      run: () => send(`${path}/start`, "It goes on as soon as an agent takes it up"),
    });
  if (!paused)
    actions.push({
      label: "Pause",
      sign: "pause",
      title: "It stops once its work is safe, with its next heartbeat",
      run: () => send(`${path}/pause`, "Asked to pause"),
    });
  actions.push({
    label: "Stop attempt",
    sign: "stop",
    title: "The task is tried again while it has attempts left",
    async run() {
      const yes = await app.overlays.confirm({
        title: "Stop this attempt?",
        text: `It ends at once. The task is tried again while it has attempts left (this is number ${task.attempt} of ${task.maxAttempts}).`,
        action: "Stop attempt",
        danger: true,
      });
      if (yes) await send(`${path}/cancel`, "Attempt stopped");
    },
  });
  if (app.admin || task.claimedBy === app.session?.accountId)
    actions.push({
      label: "Hand back",
      sign: "retry",
      title: "It ends, and anybody may claim the task at once",
      run: () => send(`/tasks/${task.id}/release`, "Handed back"),
    });
  return actions;
}

/** @param {App} app @param {Task} task @returns {Action[]} */
function ofTask(app, task) {
  if (task.status === "pending") return ofPending(app, task);
  if (task.status === "assigned" || task.status === "running") return [cancel(app, task)];
  const gone = remove(app, task);
  if (task.status === "completed") return [gone];
  return [
    {
      label: "Retry",
      sign: "retry",
      kind: "primary",
      title: "With a fresh set of attempts",
      run: () => again(app, task),
    },
    gone,
  ];
}

/** One that has used up its budget would be stopped at once: it needs a new one. @param {App} app @param {Task} task */
function again(app, task) {
  const done = "It waits for an agent again";
  const spent = Number(task.costUsd);
  if (task.maxCost === null || spent < Number(task.maxCost)) return verb(app, task, "retry", done);
  return ask(app, "Retry with a new budget", {
    fields: [
      {
        name: "maxCost",
        label: "Budget in US dollars",
        type: "number",
        step: "any",
        value: Math.ceil(2 * spent * 100) / 100,
        required: true,
        focus: true,
        hint: `It has cost ${money(spent)}, which counts: its budget of ${money(task.maxCost)} is used up.`,
      },
    ],
    action: "Retry",
    async send({ maxCost }) {
      const body = { maxCost: Number(maxCost) };
      app.store.tasks.put(await app.api.post(`/tasks/${task.id}/retry`, body));
      app.overlays.toast(done);
    },
  });
}

/** @param {App} app @param {Task} task @returns {Action[]} */
function ofPending(app, task) {
  /** @type {Action[]} */
  const approve = needsApproval(task)
    ? [
        {
          label: "Read and approve",
          sign: "shield",
          kind: "primary",
          run: () => openApproval(app, task),
        },
      ]
    : [];
  return [
    ...approve,
    { label: "Why does it wait?", sign: "clock", run: () => openWhy(app, task) },
    { label: "Edit", sign: "settings", run: () => editTask(app, task) },
    cancel(app, task),
  ];
}

/** @param {App} app @param {Task} task @returns {Action} */
function cancel(app, task) {
  return {
    label: "Cancel task",
    sign: "cross",
    kind: "danger",
    async run() {
      const yes = await app.overlays.confirm({
        title: "Cancel this task?",
        text: "Its agent is stopped. So are the tasks that wait for it, unless they are to run anyway. It can be retried later.",
        action: "Cancel task",
        danger: true,
      });
      if (yes) await verb(app, task, "cancel", "Task cancelled");
    },
  };
}

/** @param {App} app @param {Task} task @returns {Action} */
function remove(app, task) {
  return {
    label: "Delete",
    sign: "cross",
    kind: "danger",
    async run() {
      const yes = await app.overlays.confirm({
        title: "Delete this task?",
        text: "It goes with its attempts, what was said and what was made. This cannot be undone.",
        action: "Delete task",
        danger: true,
      });
      if (yes) await app.act(() => app.api.delete(`/tasks/${task.id}`), "Task deleted");
    },
  };
}

/** @param {App} app @param {Task} task @param {string} word @param {string} done */
function verb(app, task, word, done) {
  return app.act(async () => {
    app.store.tasks.put(await app.api.post(`/tasks/${task.id}/${word}`));
  }, done);
}
