// What an administrator does to a workspace: make it, change it, keep its memory, remove it.

import { ask, askName, edit, json, number } from "../../parts/dialogs.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Workspace} Workspace
 * @typedef {import("../../parts/forms.js").Field} Field
 */

/** @param {App} app */
export async function newWorkspace(app) {
  const made = await ask(app, "New workspace", {
    fields: fields({}),
    action: "Make workspace",
    send: (values) => app.api.post("/workspaces", body(values)),
  });
  if (made === undefined) return;
  app.store.workspaces.put(made);
  app.go(`/workspaces/${made.id}`);
}

/** @param {App} app @param {Workspace} workspace */
export async function changeWorkspace(app, { id, name }) {
  kept(app, await edit(app, { title: `Edit ${name}`, path: `/workspaces/${id}`, fields, body }));
}

/** @param {App} app @param {Workspace} workspace */
export async function changeMemory(app, { id, name }) {
  const changed = await edit(app, {
    title: `Memory of ${name}`,
    path: `/workspaces/${id}`,
    fields: ({ memory }) => [
      {
        name: "memory",
        label: "Memory, as JSON",
        hint: "What every agent here is told with its task.",
        rows: 14,
        value: JSON.stringify(memory, null, 2),
        focus: true,
      },
    ],
    body: (values) => ({ memory: json("memory", values.memory) }),
  });
  kept(app, changed);
}

/** @param {App} app @param {Workspace} workspace */
export async function removeWorkspace(app, { id, name }) {
  const gone = await askName(app, {
    title: `Delete ${name}?`,
    text: "All its tasks go with it, with their messages, artifacts and history. This cannot be undone.",
    name,
    action: "Delete workspace",
    send: () => app.api.delete(`/workspaces/${id}`),
  });
  if (!gone) return;
  app.store.workspaces.remove(id);
  app.overlays.toast(`${name} is deleted`);
  app.go("/workspaces");
}

/** @param {App} app @param {Workspace | undefined} changed */
function kept(app, changed) {
  if (changed) app.store.workspaces.put(changed);
  app.redraw();
}

/** @param {Partial<Workspace>} workspace @returns {Field[]} */
function fields({ name, repo, localPath, maxConcurrentWorkers, maxCostPerDay }) {
  return [
    {
      name: "name",
      label: "Name",
      required: true,
      focus: true,
      placeholder: "shop",
      value: name ?? null,
    },
    {
      name: "repo",
      label: "Repository",
      hint: "Where agents clone it from.",
      placeholder: "https://github.com/acme/shop",
      value: repo ?? null,
    },
    {
      name: "localPath",
      label: "Path on the agents' machine",
      hint: "Instead of a repository, for agents that have it there.",
      placeholder: "/home/max/shop",
      value: localPath ?? null,
    },
    {
      name: "maxConcurrentWorkers",
      label: "Workers at once",
      type: "number",
      min: 1,
      placeholder: "no limit",
      value: maxConcurrentWorkers ?? null,
    },
    {
      name: "maxCostPerDay",
      label: "Dollars per day",
      type: "number",
      min: 0,
      step: "any",
      placeholder: "no limit",
      value: maxCostPerDay ?? null,
    },
  ];
}

/** @param {Record<string, string>} values */
function body(values) {
  return {
    name: values.name,
    repo: values.repo?.trim() || null,
    localPath: values.localPath?.trim() || null,
    maxConcurrentWorkers: number(values.maxConcurrentWorkers),
    maxCostPerDay: number(values.maxCostPerDay),
  };
}
