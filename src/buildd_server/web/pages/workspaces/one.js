// One workspace: its repository and limits, its memory, where its tasks come from, who may work there, and when
// tasks are made by themselves.

import { h } from "../../app/vdom.js";
import { spentToday } from "../../parts/bars.js";
import { createGrants } from "../../parts/grants.js";
import { button, empty, facts, head, part } from "../../parts/pieces.js";
import { changeMemory, changeWorkspace, removeWorkspace } from "./change.js";
import { atWork, place } from "./list.js";
import { createSchedules } from "./schedules.js";
import { createSources } from "./sources.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Workspace} Workspace
 */

/** @param {App} app @param {string} id @returns {import("../../app/router.js").Page} */
export function createOne(app, id) {
  const administers = app.may("admin");
  const sources = app.admin ? createSources(app, id) : null;
  const grants = app.admin ? createGrants(app) : null;
  const schedules = createSchedules(app, id);
  const workspace = () => app.store.workspaces.get(id);

  function read() {
    void sources?.read();
    void grants?.read();
    void schedules.read();
  }

  read();
  return {
    title: () => workspace()?.name ?? "Workspace",
    reset: read,
    view() {
      const shown = workspace();
      if (shown === undefined) return missing(app);
      return [
        head(
          shown.name,
          h("a", { class: "button", href: `/?workspace=${id}` }, "Its board"),
          administers && button("Edit", () => changeWorkspace(app, shown)),
          administers && button("Delete", () => removeWorkspace(app, shown), "danger"),
        ),
        about(shown),
        memoryView(app, shown, administers),
        sources?.view(),
        grants?.workspaceView(id),
        schedules.view(),
        !app.admin &&
          h(
            "p",
            { class: "soft" },
            "Sources and grants are shown to administrators: they hold others' access.",
          ),
      ];
    },
  };
}

/** @param {App} app */
function missing(app) {
  return [
    head("Workspace"),
    empty(app, {
      title: "There is no such workspace, or none that you may see",
      action: h("a", { class: "button", href: "/workspaces" }, "All workspaces"),
    }),
  ];
}

/** @param {Workspace} workspace */
function about(workspace) {
  const { id, repo, localPath } = workspace;
  return facts([
    ["Repository", place(workspace)],
    repo && localPath && ["Path", h("code", null, localPath)],
    ["At work", atWork(workspace)],
    ["Spent today", spentToday(workspace)],
    ["Id", h("code", null, id)],
  ]);
}

/** @param {App} app @param {Workspace} workspace @param {boolean} administers */
function memoryView(app, workspace, administers) {
  const size = Object.keys(workspace.memory).length;
  return part(
    "Memory",
    administers && button("Edit memory", () => changeMemory(app, workspace)),
    size > 0
      ? h("pre", { class: "json", tabindex: "0" }, JSON.stringify(workspace.memory, null, 2))
      : h(
          "p",
          { class: "soft" },
          "Empty. What stands here, every agent of this workspace is told with its task.",
        ),
  );
}
