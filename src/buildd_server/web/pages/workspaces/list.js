// All workspaces: their repositories, who is at work there, and what that costs today.

import { h } from "../../app/vdom.js";
import { spentToday } from "../../parts/bars.js";
import { icon } from "../../parts/icons.js";
import { empty, head, table } from "../../parts/pieces.js";
import { CREATE_WORKSPACE } from "../../text/commands.js";
import { newWorkspace } from "./change.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Workspace} Workspace
 */

/** @param {App} app @returns {import("../../app/router.js").Page} */
export function createList(app) {
  return {
    title: () => "Workspaces",
    view: () => [
      head(
        "Workspaces",
        app.may("admin") &&
          h(
            "button",
            { type: "button", class: "primary", onclick: () => newWorkspace(app) },
            icon("plus"),
            "New workspace",
          ),
      ),
      listView(app),
    ],
  };
}

/** @param {App} app */
function listView(app) {
  const workspaces = app.store.workspaces.newest();
  if (workspaces.length === 0)
    return app.admin
      ? empty(app, {
          title: "No workspace yet",
          text: "A workspace is a repository with its tasks.",
          command: CREATE_WORKSPACE,
        })
      : empty(app, {
          title: "No workspace that this account may see",
          text: "An administrator gives it one:",
          command: "buildd accounts grant ACC_ID WS_ID",
        });
  return table(
    "Workspaces",
    ["Workspace", "Repository", "At work", "Spent today"],
    workspaces.map((each) => ({ key: each.id, cells: cells(each) })),
  );
}

/** @param {Workspace} workspace */
function cells(workspace) {
  return [
    h("a", { class: "strong", href: `/workspaces/${workspace.id}` }, workspace.name),
    place(workspace),
    atWork(workspace),
    spentToday(workspace),
  ];
}

/** Where its code is. @param {Workspace} workspace */
export function place({ repo, localPath }) {
  if (!repo) return localPath ? h("code", null, localPath) : h("span", { class: "faint" }, "none");
  if (!/^https?:/.test(repo)) return h("code", null, repo);
  return h(
    "a",
    { href: repo, target: "_blank", rel: "noreferrer" },
    repo.replace(/^https?:\/\//, ""),
  );
}

/** @param {Workspace} workspace */
export function atWork({ liveWorkers, maxConcurrentWorkers: most }) {
  return h("span", { class: "figure" }, most === null ? liveWorkers : `${liveWorkers} of ${most}`);
}
