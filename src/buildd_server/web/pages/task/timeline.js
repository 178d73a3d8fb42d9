// The story of a task as a timeline: one line for each thing that happened, the last one live.

import { isLive } from "../../app/store.js";
import { h } from "../../app/vdom.js";
import { icon } from "../../parts/icons.js";
import { accountName, dollars, when } from "../../parts/pieces.js";
import { chip } from "../../parts/states.js";
import { storyOf } from "../../text/story.js";
import { visible } from "../../text/visible.js";
import { plural } from "../../text/words.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../text/story.js").Step} Step
 * @typedef {import("../../text/story.js").Records} Records
 * @typedef {import("../../types.js").Worker} Worker
 */

const LONGEST = 600;

/** @param {App} app */
export function createTimeline(app) {
  let known = "";
  /** @type {Step[]} */
  let steps = [];

  /** @param {Records} records */
  function told(records) {
    const { task, workers, events, answers } = records;
    const now = [
      task.updatedAt,
      task.approvedAt,
      events.length,
      events.at(-1)?.seq,
      answers.length,
    ];
    const all = [
      ...now,
      ...workers.map(
        (each) =>
          `${each.id}${each.status}${each.completedAt}${each.startedAt}${each.waitingFor?.prompt}${each.costUsd}`,
      ),
    ];
    const key = all.join();
    if (key !== known) {
      known = key;
      steps = storyOf(records);
    }
    return steps;
  }

  return {
    /** @param {Records} records */
    view: (records) =>
      h(
        "ol",
        { class: "story" },
        told(records).map((step) => stepView(app, step, records.workers.length)),
        records.workers
          .filter(isLive)
          .filter(({ status }) => status !== "paused")
          .map(liveStep),
      ),
  };
}

/** @param {App} app @param {Step} step @param {number} attempts */
function stepView(app, step, attempts) {
  const { key, at, title, tone, sign, text, code, worker, by, faint } = step;
  const claimed = key.startsWith("claimed:") && worker;
  return h(
    "li",
    {
      key,
      class: [
        "step",
        `tone-${tone}`,
        faint && "step-faint",
        claimed && attempts > 1 && "step-attempt",
      ],
    },
    h("span", { class: "step-sign" }, icon(sign)),
    h(
      "div",
      { class: "step-body" },
      h(
        "p",
        { class: "step-head" },
        h(
          "span",
          null,
          claimed && attempts > 1 && h("span", { class: "step-number" }, `Attempt ${step.attempt}`),
          h("b", null, title),
          by && h("span", { class: "soft" }, `by ${visible(by)}`),
          claimed &&
            h(
              "span",
              { class: "soft" },
              `by ${accountName(app, claimed.accountId)} on ${visible(claimed.runner)}`,
            ),
          code && chip(code),
          step.cost !== undefined && sums(step.cost, step.turns ?? 0),
        ),
        when(at),
      ),
      text &&
        h(
          "p",
          { class: "step-text", dir: "auto" },
          visible(text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text),
        ),
    ),
  );
}

/** @param {number} cost @param {number} turns */
function sums(cost, turns) {
  return h("span", { class: "soft" }, dollars(cost), turns > 0 && ` · ${plural(turns, "turn")}`);
}

/** @param {Worker} worker */
function liveStep({ id, progress, costUsd, turns, status }) {
  const word = {
    idle: "To begin soon",
    starting: "Getting ready",
    waiting_input: "Waits for an answer",
  }[String(status)];
  return h(
    "li",
    {
      key: `live:${id}`,
      class: ["step", "step-live", status === "waiting_input" ? "tone-ask" : "tone-busy"],
    },
    h("span", { class: "step-sign" }, h("i", { class: "pulse" })),
    h(
      "div",
      { class: "step-body" },
      h(
        "p",
        { class: "step-head" },
        h(
          "span",
          null,
          h("b", null, word ?? "At work"),
          progress > 0 && h("span", { class: "soft figure" }, `${progress}%`),
          sums(costUsd, turns),
        ),
      ),
    ),
  );
}
