// One task: its story, the conversation with its agent, what it asks, what it made, and what can be done with it.

import { isLive } from "../app/store.js";
import { h } from "../app/vdom.js";
import { button, copyable, empty } from "../parts/pieces.js";
import { badge } from "../parts/states.js";
import { openWhy } from "../parts/why.js";
import { visible } from "../text/visible.js";
import { createActions } from "./task/actions.js";
import { createArtifacts } from "./task/artifacts.js";
import { createAttempts } from "./task/attempts.js";
import { createTexts, dependencies, facts } from "./task/facts.js";
import { createQuestion } from "./task/question.js";
import { createRecord } from "./task/record.js";
import { createTimeline } from "./task/timeline.js";

/**
 * @typedef {import("../app/main.js").App} App
 * @typedef {import("../types.js").Task} Task
 * @typedef {import("../types.js").Worker} Worker
 */

const TABS = /** @type {const} */ ([
  ["story", "Story"],
  ["talk", "Conversation"],
  ["artifacts", "Artifacts"],
]);

/** @type {import("../app/router.js").PageMaker} */
export function page(app, params) {
  const id = params.id ?? "";
  /** @type {Worker[]} */
  const workers = [];
  /** @type {ReturnType<typeof createArtifacts> | null} */
  let artifacts = null;
  const record = createRecord(app, id, attemptsRead);
  const attempts = createAttempts(app, record);
  const question = createQuestion(app, record.reload);
  const actions = createActions(app, record.reload);
  const timeline = createTimeline(app);
  const texts = createTexts();

  function attemptsRead() {
    const before = workers.length;
    workers.splice(0, before, ...record.workers);
    attempts.update();
    if (artifacts === null) artifacts = createArtifacts(app, workers);
    else if (workers.length !== before) artifacts.reset();
  }

  function live() {
    return record.workers.findLast(isLive);
  }

  function tab() {
    return TABS.find(([name]) => name === app.query().tab)?.[0] ?? "talk";
  }

  /** @param {Task} task */
  function body(task) {
    const shown = tab();
    return h(
      "div",
      { class: "task", "data-tab": shown },
      header(app, task, record.state === "here" && actions.view(task, live())),
      question.view(record.state === "here" ? live() : undefined),
      facts(app, task, record.workers.at(-1)),
      tabs(app, shown, artifacts?.count ?? 0),
      h(
        "div",
        { class: "task-columns" },
        h(
          "div",
          { class: "task-story" },
          texts.view(task),
          dependencies(record.parents()),
          h(
            "section",
            { class: "task-part" },
            h("h2", null, "Story"),
            timeline.view({
              task,
              workers: record.workers,
              events: record.events,
              answers: attempts.answers(),
            }),
          ),
        ),
        h("div", { class: "task-talk" }, attempts.view() ?? unclaimed(app, task)),
      ),
      h("section", { class: "task-artifacts" }, h("h2", null, "Artifacts"), artifacts?.view()),
    );
  }

  return {
    title: () => record.task?.title ?? "Task",
    view() {
      if (record.state === "missing") return missing(app, id);
      const { task } = record;
      if (!task)
        return record.trouble ? trouble(record.trouble) : h("p", { class: "loading" }, "Loading…");
      return [
        record.state === "deleted" &&
          h(
            "p",
            { class: "notice error", role: "alert" },
            "This task was deleted. What you see is what was known of it.",
          ),
        body(task),
      ];
    },
    hear(event) {
      record.hear(event);
      attempts.hear(event);
      artifacts?.hear(event);
    },
    reset() {
      record.reset();
      attempts.reset();
      artifacts?.reset();
    },
    press(key) {
      if (key === "m") return attempts.focus();
      if (key === "a") return question.focus();
      if (key === "[" || key === "]") return attempts.step(key === "[" ? -1 : 1);
      return false;
    },
    close() {
      record.close();
      attempts.close();
      artifacts?.close();
    },
  };
}

/** @param {App} app @param {Task} task @param {import("../app/vdom.js").Child} actions */
function header(app, task, actions) {
  const worker = app.store.workerOf(task.id);
  return h(
    "header",
    { class: "task-head" },
    h(
      "div",
      { class: "task-title" },
      h("h1", { dir: "auto" }, visible(task.title)),
      badge(worker?.status === "paused" ? "paused" : task.status),
      worker?.waitingFor && badge("waiting_input"),
    ),
    h("div", { class: "task-actions" }, actions),
  );
}

/** Where the page is narrow, one part at a time. @param {App} app @param {string} shown @param {number} count */
function tabs(app, shown, count) {
  return h(
    "div",
    { class: "tabs task-tabs", role: "tablist", "aria-label": "Parts of the task" },
    TABS.map(([name, label]) =>
      h(
        "button",
        {
          type: "button",
          key: name,
          role: "tab",
          "aria-selected": String(name === shown),
          onclick: () => app.setQuery({ tab: name }),
        },
        label,
        name === "artifacts" && count > 0 && ` ${count}`,
      ),
    ),
  );
}

/** @param {App} app @param {Task} task */
function unclaimed(app, task) {
  if (task.status !== "pending")
    return empty(app, {
      title: "No agent has worked on it",
      text: "What an agent says and writes would appear here.",
    });
  return empty(app, {
    title: "No agent has taken it yet",
    text: "What its agent says and writes appears here as it happens.",
    action: button("Why does it wait?", () => openWhy(app, task)),
  });
}

/** @param {App} app @param {string} id */
function missing(app, id) {
  return h(
    "div",
    { class: "empty" },
    h("h1", null, "There is no such task"),
    h("p", null, "It may have been deleted, or belong to a workspace that you may not see:"),
    copyable(app, id, "Copy the id"),
    h("a", { class: "button", href: "/" }, "To the board"),
  );
}

/** @param {string} text */
function trouble(text) {
  return h("p", { class: "notice error", role: "alert" }, text, " It is tried again.");
}
