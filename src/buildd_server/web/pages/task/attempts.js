// The attempts at a task, one conversation each; the newest is shown unless another was chosen.

import { h } from "../../app/vdom.js";
import { badge, tone } from "../../parts/states.js";
import { createConversation } from "./conversation.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Worker} Worker
 * @typedef {import("./conversation.js").Conversation} Conversation
 */

const AT_ONCE = 4; // Of so many attempts, the newest, the answers are read for the story.

/**
 * @param {App} app
 * @param {{attempts: string[], workers: Worker[]}} record
 */
export function createAttempts(app, record) {
  /** @type {Map<string, Conversation>} */
  const conversations = new Map();

  /** @param {string} id */
  function of(id) {
    let found = conversations.get(id);
    if (!found) {
      found = createConversation(app, id);
      conversations.set(id, found);
    }
    return found;
  }

  /** The index of the attempt that is shown. */
  function chosen() {
    const number = Number(app.query().attempt);
    const last = record.attempts.length - 1;
    return number >= 1 && number <= last + 1 ? number - 1 : last;
  }

  /** @param {number} index */
  function choose(index) {
    const last = record.attempts.length - 1;
    app.setQuery({ attempt: index === last ? null : String(index + 1) });
  }

  /** @param {Worker} worker @param {number} index @param {boolean} selected */
  function tab(worker, index, selected) {
    return h(
      "button",
      {
        type: "button",
        key: worker.id,
        role: "tab",
        "aria-selected": String(selected),
        class: `tone-${tone(worker.status)}`,
        onclick: () => choose(index),
      },
      h("i", { class: "dot" }),
      `Attempt ${index + 1}`,
    );
  }

  return {
    /** The attempts are known anew. */
    update() {
      for (const id of record.attempts.slice(-AT_ONCE)) of(id);
    },
    /** What persons answered, as far as it was read. */
    answers: () =>
      [...conversations.values()].flatMap(({ reading }) =>
        reading.transcript.messages.filter(({ answers }) => answers !== null),
      ),
    /** Show the attempt before or after. @param {number} by */
    step(by) {
      const next = chosen() + by;
      if (next < 0 || next >= record.attempts.length) return false;
      choose(next);
      return true;
    },
    focus() {
      const id = record.attempts[chosen()];
      return id !== undefined && of(id).focus();
    },
    /** @param {import("../../types.js").Event} event */
    hear(event) {
      if (event.workerId) conversations.get(event.workerId)?.hear(event);
    },
    reset() {
      for (const each of conversations.values()) each.reset();
    },
    close() {
      for (const each of conversations.values()) each.close();
    },
    view() {
      const { workers } = record;
      const index = chosen();
      const worker = workers[index];
      if (!worker) return null;
      return [
        h(
          "header",
          { class: "talk-head" },
          workers.length > 1
            ? h(
                "div",
                { class: "tabs", role: "tablist", "aria-label": "Attempts ([ and ])" },
                workers.map((each, at) => tab(each, at, at === index)),
              )
            : h("h2", null, "Conversation"),
          badge(worker.status),
        ),
        of(worker.id).view(worker),
      ];
    },
  };
}
