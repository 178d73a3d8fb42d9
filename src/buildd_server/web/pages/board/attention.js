// What needs a person first: questions with their answers to choose from, budgets that are used up,
// and tasks whose text somebody must vouch for.

import { now } from "../../app/clock.js";
import { isLost } from "../../app/focus.js";
import { h } from "../../app/vdom.js";
import { openApproval } from "../../parts/approval.js";
import { icon } from "../../parts/icons.js";
import { markdownView } from "../../parts/markdown.js";
import { accountName, button, when, workspaceName } from "../../parts/pieces.js";
import { asksBudget, optionsOf } from "../../text/questions.js";
import { relative } from "../../text/words.js";
import { accepts } from "./columns.js";
import { createMemo } from "./memo.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Task} Task
 * @typedef {import("../../types.js").Worker} Worker
 * @typedef {import("./columns.js").Filters} Filters
 */

/** @param {App} app */
export function createAttention(app) {
  const memo = createMemo();
  /** @type {Set<string>} */
  const busy = new Set();
  /** @type {Set<string>} */
  const writing = new Set();

  /** @param {string} id @param {() => Promise<void>} doing */
  async function once(id, doing) {
    if (busy.has(id)) return;
    busy.add(id);
    await app.act(doing);
    busy.delete(id);
    app.redraw();
    requestAnimationFrame(() => requestAnimationFrame(goOn));
  }

  /** What was answered is gone, and the focus with it: on to what is next. */
  function goOn() {
    if (!isLost()) return;
    const next = document.querySelector(".attention-title") ?? document.querySelector("#main");
    if (next instanceof HTMLElement) next.focus({ preventScroll: true });
  }

  /** @param {Worker} worker @param {string} content */
  function answer(worker, content) {
    void once(worker.id, async () => {
      app.store.workers.put(await app.api.post(`/workers/${worker.id}/answer`, { content }));
      app.overlays.toast("Answered");
    });
  }

  /** @param {Worker} worker */
  function question(worker) {
    const task = app.store.task(worker.taskId);
    const state = [busy.has(worker.id), writing.has(worker.id)];
    const parts = [
      worker,
      task?.title,
      ...names(worker),
      ...state,
      ago(worker.waitingFor?.askedAt ?? worker.updatedAt),
    ];
    return memo(worker.id, parts, () => questionView(worker, task));
  }

  /** @param {Worker} worker */
  function names({ workspaceId, accountId }) {
    return [workspaceName(app, workspaceId), accountName(app, accountId)];
  }

  /** @param {Worker} worker @param {Task | undefined} task */
  function questionView(worker, task) {
    const { waitingFor } = worker;
    const budget = asksBudget(waitingFor);
    const options = waitingFor ? optionsOf(waitingFor) : [];
    return item({
      key: worker.id,
      sign: budget ? "coin" : "ask",
      word: budget ? "Budget used up" : "Asks",
      href: `/tasks/${worker.taskId}`,
      title: task?.title ?? worker.name,
      facts: names(worker),
      at: worker.waitingFor?.askedAt ?? worker.updatedAt,
      text: waitingFor?.prompt ?? "",
      actions: [
        options.map((each) =>
          h(
            "button",
            {
              type: "button",
              key: each,
              "aria-disabled": busy.has(worker.id) && "true",
              title: each,
              onclick: () => answer(worker, each),
            },
            h("span", { class: ["cut", budget && "verb"] }, each),
          ),
        ),
        !budget && freely(worker, options.length > 0),
      ],
    });
  }

  /**
   * An answer in one's own words, behind a button where there are others to choose from.
   * @param {Worker} worker
   * @param {boolean} folded
   */
  function freely(worker, folded) {
    if (folded && !writing.has(worker.id)) {
      const write = () => {
        writing.add(worker.id);
        app.redraw();
      };
      return h(
        "button",
        { type: "button", class: "quiet", key: "other", onclick: write },
        "Other…",
      );
    }
    return h(
      "form",
      {
        class: "answer",
        key: "answer",
        onsubmit(/** @type {SubmitEvent} */ event) {
          event.preventDefault();
          const form = /** @type {HTMLFormElement} */ (event.target);
          const content = String(new FormData(form).get("content") ?? "").trim();
          if (content) answer(worker, content);
        },
      },
      h("input", {
        name: "content",
        placeholder: "Another answer",
        ref: (/** @type {HTMLElement} */ made) => folded && made.focus(),
        "aria-label": "Another answer",
        autocomplete: "off",
      }),
      h("button", { "aria-disabled": busy.has(worker.id) && "true" }, "Send"),
    );
  }

  /** @param {Task} task */
  function approval(task) {
    const parts = [task, workspaceName(app, task.workspaceId), ago(task.createdAt)];
    return memo(task.id, parts, () => approvalView(task));
  }

  /** @param {Task} task */
  function approvalView(task) {
    return item({
      key: task.id,
      sign: "shield",
      word: "Needs approval",
      href: `/tasks/${task.id}`,
      title: task.title,
      facts: [workspaceName(app, task.workspaceId)],
      at: task.createdAt,
      text: "Anybody may have written it. No agent takes it before a person has read and approved it.",
      actions: button("Read and approve", () => openApproval(app, task), "primary"),
    });
  }

  return {
    /** @param {Filters} filters those of the page hold here too */
    view(filters) {
      const accepted = accepts(filters);
      const questions = app.store.questions();
      const approvals = app.store.approvals();
      const shown = [
        ...questions
          .filter((each) => accepted(standing(each, app.store.task(each.taskId))))
          .map(question)
          .reverse(),
        ...approvals.filter(accepted).map(approval).reverse(),
      ];
      const all = questions.length + approvals.length;
      if (all === 0) return null;
      return h(
        "section",
        { class: "attention", "aria-labelledby": "attention-title" },
        h(
          "header",
          null,
          h("h2", { id: "attention-title" }, "Needs a person", h("b", { class: "count" }, all)),
          shown.length < all &&
            h(
              "small",
              { class: "faint" },
              `${all - shown.length} of other tasks than these filters show`,
            ),
        ),
        shown.length > 0 && h("ul", { class: "attention-items" }, shown),
      );
    },
  };
}

/** @param {string} at */
function ago(at) {
  return relative(at, now());
}

/** A question's task, or what its worker knows of it. @param {Worker} worker @param {Task | undefined} task */
function standing(worker, task) {
  const { workspaceId, accountId, name } = worker;
  return task ?? /** @type {Task} */ ({ workspaceId, claimedBy: accountId, title: name });
}

/**
 * @param {{key: string, sign: string, word: string, href: string, title: string, facts: string[],
 *   at: string, text: string, actions: import("../../app/vdom.js").Child}} what
 */
function item({ key, sign, word, href, title, facts, at, text, actions }) {
  return h(
    "li",
    { class: "attention-item", key },
    h(
      "p",
      { class: "attention-head" },
      h("span", { class: "badge tone-ask" }, icon(sign), word),
      h("span", { class: "cut soft" }, facts.join(" · ")),
      when(at),
    ),
    h("a", { class: "attention-title cut", href, title, dir: "auto" }, title),
    h("div", { class: "attention-text", dir: "auto", tabindex: "0" }, markdownView(text)),
    h("div", { class: "attention-actions" }, actions),
  );
}
