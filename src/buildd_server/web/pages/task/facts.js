// What is known of a task besides its story: where it belongs, what it may cost, what it is about, what came of it.

import { now } from "../../app/clock.js";
import { h } from "../../app/vdom.js";
import { budget } from "../../parts/bars.js";
import { icon } from "../../parts/icons.js";
import { markdownView } from "../../parts/markdown.js";
import { accountName, when, workspaceName } from "../../parts/pieces.js";
import { badge, chip } from "../../parts/states.js";
import { routeName } from "../../text/routes.js";
import { visible } from "../../text/visible.js";
import { exact } from "../../text/words.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../app/vdom.js").Child} Child
 * @typedef {import("../../types.js").Task} Task
 * @typedef {import("../../types.js").Worker} Worker
 */

/** Where the error of an earlier attempt tells nothing any more. */
const OVER_WELL = new Set(["completed", "cancelled"]);

/**
 * @param {App} app
 * @param {Task} task
 * @param {Worker | undefined} worker the newest attempt
 */
export function facts(app, task, worker) {
  return h(
    "dl",
    { class: "task-facts" },
    fact(
      "Workspace",
      h("a", { href: `/workspaces/${task.workspaceId}` }, workspaceName(app, task.workspaceId)),
    ),
    fact("Route", routeName(task.runnerPreference)),
    task.claimedBy && fact("Account", accountName(app, task.claimedBy)),
    fact("Cost", budget({ label: "Budget of the task", spent: task.costUsd, most: task.maxCost })),
    fact("Attempt", `${task.attempt} of ${task.maxAttempts}`),
    task.priority !== 0 && fact("Priority", String(task.priority)),
    task.requiredCapabilities.length > 0 &&
      fact(
        "Needs",
        task.requiredCapabilities.map((each) => chip(each)),
      ),
    task.trust !== "internal" &&
      fact("Written by", task.trust === "public" ? "anybody" : "a collaborator"),
    task.notBefore &&
      Date.parse(task.notBefore) > now() &&
      fact(
        "Not before",
        h("time", { datetime: task.notBefore, title: exact(task.notBefore) }, when(task.notBefore)),
      ),
    task.externalUrl &&
      fact(
        "From",
        h(
          "a",
          { href: task.externalUrl, target: "_blank", rel: "noopener noreferrer" },
          visible(task.externalId ?? task.externalUrl),
        ),
      ),
    fact("Created", when(task.createdAt)),
    fact("Changed", when(task.updatedAt)),
    worker?.branch && fact("Branch", h("code", null, visible(worker.branch))),
  );
}

/** @param {string} name @param {Child} value */
function fact(name, value) {
  return h("div", { key: name }, h("dt", null, name), h("dd", null, value));
}

/** What it waits for. @param {{id: string, task: Task | undefined}[]} parents */
export function dependencies(parents) {
  if (parents.length === 0) return null;
  return h(
    "section",
    { class: "depends" },
    h("h2", null, "Depends on"),
    h(
      "ul",
      null,
      parents.map(({ id, task }) =>
        h(
          "li",
          { key: id },
          task ? badge(task.status) : icon("link"),
          h("a", { href: `/tasks/${id}`, dir: "auto" }, task ? visible(task.title) : id),
        ),
      ),
    ),
  );
}

/** Texts are parsed once, not with every frame. */
export function createTexts() {
  /** @type {Map<string, {of: unknown, view: Child}>} */
  const made = new Map();

  /** @template T @param {string} name @param {T} of @param {(of: T) => Child} draw */
  function once(name, of, draw) {
    const known = made.get(name);
    if (known && (known.of === of || JSON.stringify(known.of) === JSON.stringify(of)))
      return known.view;
    const view = draw(of);
    made.set(name, { of, view });
    return view;
  }

  return {
    /** @param {Task} task */
    view: ({ description, result, error, context, status }) => [
      result !== null && part("Result", once("result", result, json), "good"),
      error &&
        !OVER_WELL.has(status) &&
        part(
          status === "failed" ? "Error" : "Last error",
          h("p", { class: "plain-text", dir: "auto" }, visible(error)),
          "bad",
        ),
      description &&
        part(
          "Description",
          h("div", { class: "description", dir: "auto" }, once("text", description, markdownView)),
        ),
      Object.keys(context).length > 0 && folded("Context", once("context", context, json)),
    ],
  };
}

/** @param {string} name @param {Child} content @param {string} [tone] */
function part(name, content, tone = "calm") {
  return h(
    "section",
    { key: name, class: ["task-part", `tone-${tone}`] },
    h("h2", null, name),
    content,
  );
}

/** @param {string} name @param {Child} content */
function folded(name, content) {
  return h("details", { key: name, class: "task-part" }, h("summary", null, name), content);
}

/** @param {unknown} value */
function json(value) {
  return h("pre", { class: "task-json", tabindex: "0" }, visible(JSON.stringify(value, null, 2)));
}
