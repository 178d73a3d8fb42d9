// What an agent, or the server about a budget, asks a person: it stands above everything until it is answered.

import { h } from "../../app/vdom.js";
import { icon } from "../../parts/icons.js";
import { markdownView } from "../../parts/markdown.js";
import { accountName, when } from "../../parts/pieces.js";
import { asksBudget, optionsOf } from "../../text/questions.js";
import { visible } from "../../text/visible.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Worker} Worker
 * @typedef {import("../../types.js").WaitingFor} WaitingFor
 */

/** @type {Record<string, string>} */
const HEADS = {
  question: "asks",
  permission: "asks for permission",
  confirmation: "asks for a confirmation",
};
/** @type {Record<string, string>} */
const BUDGET = {
  "go on": "This attempt goes on over today's budget, as far as it takes, and is not asked again.",
  stop: "This attempt ends. The task waits again, and is claimed when a budget allows it.",
};

/**
 * @param {App} app
 * @param {() => void} answered
 */
export function createQuestion(app, answered) {
  let busy = false;
  let text = "";
  let about = "";
  /** @type {HTMLElement | null} */
  let first = null;
  /** @type {{prompt: string, view: import("../../app/vdom.js").VElement} | null} */
  let drawn = null;

  /** @param {Worker} worker @param {string} content */
  async function answer(worker, content) {
    if (busy || !content.trim()) return;
    busy = true;
    app.redraw();
    const path = `/workers/${worker.id}/answer`;
    const after = await app.act(() => app.api.post(path, { content: content.trim() }), "Answered");
    busy = false;
    if (after) {
      text = "";
      app.store.workers.put(after);
    }
    answered();
    app.redraw();
  }

  /** @param {string} prompt */
  function promptView(prompt) {
    if (drawn?.prompt !== prompt) drawn = { prompt, view: markdownView(prompt) };
    return drawn.view;
  }

  /** @param {Worker} worker @param {WaitingFor} asked */
  function choices(worker, asked) {
    const budget = asksBudget(asked);
    return optionsOf(asked).map((each, index) =>
      h(
        "div",
        { key: each, class: "question-choice" },
        h(
          "button",
          {
            type: "button",
            class: isNo(each) ? "danger" : index === 0 ? "primary" : null,
            "aria-disabled": busy && "true",
            onclick: () => answer(worker, each),
            ref: (/** @type {HTMLElement} */ made) => {
              if (index === 0) first = made;
            },
          },
          visible(each),
        ),
        budget && BUDGET[each] && h("small", { class: "soft" }, BUDGET[each]),
      ),
    );
  }

  /** @param {Worker} worker */
  function free(worker) {
    return h(
      "form",
      {
        class: "question-free",
        onsubmit(/** @type {SubmitEvent} */ event) {
          event.preventDefault();
          void answer(worker, text);
        },
      },
      h("textarea", {
        rows: 1,
        value: text,
        "aria-label": "Answer in your own words",
        placeholder: "Answer in your own words",
        ref: (/** @type {HTMLElement} */ made) => {
          if (!first?.isConnected) first = made;
        },
        oninput(/** @type {Event & {target: HTMLTextAreaElement}} */ { target }) {
          text = target.value;
          app.redraw();
        },
        onkeydown(/** @type {KeyboardEvent} */ event) {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void answer(worker, text);
          else if (event.key === "Escape") /** @type {HTMLElement} */ (event.target).blur();
        },
      }),
      h("button", { disabled: !text.trim(), title: "Ctrl+Enter" }, "Answer"),
    );
  }

  return {
    /** Put the caret where it is answered. */
    focus() {
      if (!first?.isConnected) return false;
      first.focus();
      return true;
    },
    /** @param {Worker | undefined} worker the one that is not over */
    view(worker) {
      const asked = worker?.waitingFor;
      if (!worker || !asked) return null;
      if (about !== worker.id + asked.prompt) {
        about = worker.id + asked.prompt;
        text = "";
      }
      const budget = asksBudget(asked);
      const who = budget
        ? "The server asks about a budget"
        : `${accountName(app, worker.accountId)} ${HEADS[asked.type] ?? "asks"}`;
      const mayAnswer = app.may("create");
      return h(
        "section",
        { class: "question", key: about, "aria-label": "A question waits for you" },
        h(
          "p",
          { class: "question-head" },
          icon(budget ? "coin" : "ask"),
          h("b", null, who),
          when(worker.waitingFor?.askedAt),
        ),
        h("div", { class: "question-text", dir: "auto", tabindex: "0" }, promptView(asked.prompt)),
        mayAnswer && h("div", { class: "choices" }, choices(worker, asked)),
        mayAnswer && !budget && free(worker),
      );
    },
  };
}

/** @param {string} option */
function isNo(option) {
  return ["deny", "no", "stop", "cancel"].includes(option.trim().toLowerCase());
}
