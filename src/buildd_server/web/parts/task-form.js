// The dialog in which a person puts in a task. Sent twice, by a double click or after a broken
// connection, it makes one task: the same words go under the same key.

import { createForm } from "./forms.js";
import { createPicker } from "./task-picker.js";

/**
 * @typedef {import("../app/main.js").App} App
 * @typedef {import("../types.js").Task} Task
 * @typedef {import("./forms.js").Field} Field
 */

const LAST = "buildd-workspace";

/**
 * @param {App} app
 * @param {string} [workspace] where it goes unless another is chosen
 * @returns {Promise<Task | null>} the task, if one was made
 */
export async function openTaskForm(app, workspace = "") {
  const dependencies = createPicker(app, chosenWorkspace);
  const keyOf = createKeys();
  /** @type {Task | null} */
  let made = null;
  let close = () => {};
  const form = createForm(app, {
    fields: fields(app, workspace),
    extra: dependencies.view,
    more: { label: "Attempts and times", fields: LIMITS },
    action: "Create task",
    async send(values) {
      const body = taskOf(values, dependencies.picked());
      return app.api.post("/tasks", body, keyOf(JSON.stringify(body)));
    },
    done(/** @type {Task} */ task) {
      made = task;
      remember(task.workspaceId);
      app.store.tasks.put(task);
      app.overlays.toast(`Created: ${task.title}`);
      close();
    },
  });
  await app.overlays.dialog("New task", (closes) => {
    close = closes;
    return form.view();
  });
  return made;
}

/** @param {App} app @param {string} workspace @returns {Field[]} */
function fields(app, workspace) {
  const workspaces = app.store.workspaces.newest();
  const known = new Set(workspaces.map(({ id }) => id));
  const chosen =
    [workspace, remembered()].find((each) => known.has(each)) ?? workspaces[0]?.id ?? "";
  return [
    { name: "title", label: "Title", required: true, focus: true },
    {
      name: "description",
      label: "Description",
      rows: 5,
      hint: "Markdown. What there is to do, and how one sees that it is done.",
    },
    {
      name: "workspaceId",
      label: "Workspace",
      value: chosen,
      options: workspaces.map(({ id, name }) => [id, name]),
    },
    {
      name: "runnerPreference",
      label: "Who may take it",
      options: [
        ["any", "Any account"],
        ["user", "A person's machines"],
        ["service", "An always-on service"],
        ["action", "GitHub Actions"],
      ],
    },
    {
      name: "requiredCapabilities",
      label: "Required capabilities",
      hint: "Separated by commas: only an agent that offers all of them takes it.",
      list: capabilities(app),
    },
    {
      name: "priority",
      label: "Priority",
      type: "number",
      value: 0,
      step: "1",
      hint: "Higher goes first.",
    },
    {
      name: "maxCost",
      label: "Budget in US dollars",
      type: "number",
      min: 0,
      step: "any",
      placeholder: "no limit",
      hint: "For all its attempts together.",
    },
  ];
}

/** @type {Field[]} */
const LIMITS = [
  {
    name: "maxAttempts",
    label: "Attempts before it fails",
    type: "number",
    min: 1,
    step: "1",
    value: 3,
  },
  {
    name: "timeoutSeconds",
    label: "Seconds that one attempt may take",
    type: "number",
    min: 1,
    step: "1",
    placeholder: "no limit",
  },
  {
    name: "notBefore",
    label: "Not before",
    type: "datetime-local",
    max: "9999-12-31T23:59", // Else the year takes six digits.
    hint: "In your time zone.",
  },
];

/**
 * What the fields say, as the API takes it. What is left empty is not sent.
 * @param {Record<string, string>} values
 * @param {string[]} dependsOn
 */
export function taskOf(values, dependsOn) {
  const { workspaceId, title, description, runnerPreference } = values;
  const wanted = (values.requiredCapabilities ?? "").split(",").map((each) => each.trim());
  const notBefore = values.notBefore ? new Date(values.notBefore).toISOString() : undefined;
  return {
    workspaceId,
    title: title?.trim(),
    description: description?.trim() || undefined,
    runnerPreference,
    requiredCapabilities: [...new Set(wanted.filter(Boolean))],
    priority: number(values.priority),
    maxCost: number(values.maxCost),
    dependsOn,
    maxAttempts: number(values.maxAttempts),
    timeoutSeconds: number(values.timeoutSeconds),
    notBefore,
  };
}

/** @param {string | undefined} text */
function number(text) {
  return text ? Number(text) : undefined;
}

/** A key that stays while the words stay. */
function createKeys() {
  let said = "";
  let key = "";
  return (/** @type {string} */ words) => {
    if (words !== said) key = random();
    said = words;
    return key;
  };
}

/** Not `randomUUID`, which browsers keep from pages that came over plain HTTP. */
function random() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (each) => each.toString(36)).join(
    "-",
  );
}

/** What the form says now. */
function chosenWorkspace() {
  const field = document.getElementById("field-workspaceId");
  return field instanceof HTMLSelectElement ? field.value : "";
}

/** Those that other tasks and pools name. @param {App} app */
function capabilities(app) {
  const named = [
    ...app.store.tasks
      .newest()
      .slice(0, 2000)
      .flatMap((each) => each.requiredCapabilities ?? []),
    ...app.store.pools.newest().flatMap((each) => each.capabilities),
  ];
  return [...new Set(named)].sort().slice(0, 50);
}

function remembered() {
  try {
    return localStorage.getItem(LAST) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} workspace */
function remember(workspace) {
  try {
    localStorage.setItem(LAST, workspace);
  } catch {
    // A browser that keeps nothing: the next task begins with the first workspace.
  }
}
