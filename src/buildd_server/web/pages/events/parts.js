// Around the feed: which events are shown, and all that one of them holds.

import { h } from "../../app/vdom.js";
import { icon } from "../../parts/icons.js";
import {
  accountName,
  named,
  select,
  shortId,
  taskLink,
  workspaceName,
} from "../../parts/pieces.js";
import { TYPES, toneOf } from "../../text/events.js";
import { visible } from "../../text/visible.js";
import { exact } from "../../text/words.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../app/vdom.js").Child} Child
 * @typedef {import("../../types.js").Event} Event
 */

/** The types that an address names. @param {string | undefined} text */
export function typesOf(text) {
  return new Set((text ?? "").split(",").filter(Boolean));
}

/** @param {string} name @param {...Child} value */
function fact(name, ...value) {
  return h("div", { key: name }, h("dt", null, name), h("dd", null, value));
}

/** @param {App} app @param {"task" | "workspace"} name @param {string} id */
function only(app, name, id) {
  const set = app.query()[name] === id;
  return h(
    "button",
    { type: "button", class: "quiet", onclick: () => app.setQuery({ [name]: set ? null : id }) },
    set ? "Show all" : "Show only this",
  );
}

/** Which events are shown; the address keeps it. @param {App} app */
export function eventFilters(app) {
  const { q, workspace, task, types } = app.query();
  return h(
    "div",
    { class: "feed-filters", role: "search", "aria-label": "Events" },
    h("input", {
      type: "search",
      "data-key": "/",
      "aria-label": "Text",
      placeholder: "Filter by text or id",
      value: q ?? "",
      oninput: (/** @type {any} */ event) => app.setQuery({ q: event.target.value }),
    }),
    select({
      label: "Workspace",
      value: workspace,
      options: [["", "All workspaces"], ...named(app.store.workspaces.newest())],
      choose: (chosen) => app.setQuery({ workspace: chosen }),
    }),
    task &&
      h(
        "button",
        {
          type: "button",
          key: "task",
          title: "Show the events of all tasks",
          onclick: () => app.setQuery({ task: null }),
        },
        "Task: ",
        app.store.task(task)?.title ?? shortId(task),
        icon("cross"),
      ),
    typeChips(app, typesOf(types)),
  );
}

/** @param {App} app @param {Set<string>} chosen */
function typeChips(app, chosen) {
  return h(
    "div",
    { class: "feed-types", role: "group", "aria-label": "Types" },
    TYPES.map((type) => {
      const on = chosen.has(type);
      return h(
        "button",
        {
          type: "button",
          key: type,
          class: ["feed-chip", `tone-${toneOf(type)}`],
          "aria-pressed": String(on),
          onclick: () => app.setQuery({ types: toggled(chosen, type) }),
        },
        type,
      );
    }),
    chosen.size > 0 &&
      h(
        "button",
        {
          type: "button",
          class: "quiet",
          key: "all",
          onclick: () => app.setQuery({ types: null }),
        },
        "All types",
      ),
  );
}

/** @param {Set<string>} chosen @param {string} type */
function toggled(chosen, type) {
  const next = new Set(chosen);
  if (!next.delete(type)) next.add(type);
  return [...next].join(",");
}

/**
 * All that an event holds.
 * @param {App} app
 * @param {Event} event
 * @param {() => void} close
 */
export function eventDetail(app, event, close) {
  const { type, at, taskId, workspaceId, accountId, workerId } = event;
  return h(
    "aside",
    { class: "feed-detail", id: "event", key: "detail", "aria-label": "Event" },
    h(
      "header",
      null,
      h("h2", null, type),
      h(
        "button",
        { type: "button", class: "quiet", "aria-label": "Close", onclick: close },
        icon("cross"),
      ),
    ),
    h(
      "dl",
      null,
      fact("When", exact(at)),
      taskId && fact("Task", taskLink(app, taskId), only(app, "task", taskId)),
      workerId &&
        fact(
          "Worker",
          taskId ? h("a", { href: `/tasks/${taskId}` }, shortId(workerId)) : shortId(workerId),
        ),
      accountId && fact("Account", h("a", { href: "/fleet" }, accountName(app, accountId))),
      workspaceId &&
        fact(
          "Workspace",
          h("a", { href: `/workspaces/${workspaceId}` }, workspaceName(app, workspaceId)),
          only(app, "workspace", workspaceId),
        ),
    ),
    h("pre", { tabindex: "0", "aria-label": "As JSON" }, visible(JSON.stringify(event, null, 2))),
  );
}
