// The dialog in which a person puts in a task. Sent twice, by a double click or after a broken
// connection, it makes one task: the same words go under the same key.

import { ROUTES } from "../text/routes.js";
import { ask, edit, number } from "./dialogs.js";
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
 */
export async function openTaskForm(app, workspace = "") {
  const dependencies = createPicker(app, chosenWorkspace);
  const keyOf = createKeys();
  /** @type {Task | undefined} */
  const made = await ask(app, "New task", {
    fields: [...textFields({}), workspaceField(app, workspace), ...claimFields(app, {})],
    extra: dependencies.view,
    more: { label: "Attempts and times", fields: [attemptsField({}), ...TIMES] },
    action: "Create task",
    async send(values) {
      const body = taskOf(values, dependencies.picked());
      return app.api.post("/tasks", body, keyOf(JSON.stringify(body)));
    },
  });
  if (made === undefined) return;
  localStorage.setItem(LAST, made.workspaceId);
  app.store.tasks.put(made);
  app.overlays.toast(`Created: ${made.title}`);
}

/** @param {App} app @param {Task} task */
export async function editTask(app, { id }) {
  const changed = await edit(app, {
    title: "Edit task",
    path: `/tasks/${id}`,
    fields: (task) => [...textFields(task), ...claimFields(app, task), attemptsField(task)],
    body: (values) => ({
      ...claimOf(values),
      title: values.title,
      description: values.description || null,
      maxCost: number(values.maxCost),
      maxAttempts: Number(values.maxAttempts || 1),
    }),
  });
  if (changed) app.store.tasks.put(changed);
}

/** @param {Partial<Task>} task @returns {Field[]} */
function textFields({ title, description }) {
  return [
    { name: "title", label: "Title", required: true, focus: true, value: title ?? null },
    {
      name: "description",
      label: "Description",
      rows: 5,
      hint: "Markdown. What there is to do, and how one sees that it is done.",
      value: description ?? null,
    },
  ];
}

/** @param {App} app @param {string} wanted @returns {Field} */
function workspaceField(app, wanted) {
  const workspaces = app.store.workspaces.newest();
  const known = new Set(workspaces.map(({ id }) => id));
  const chosen = [wanted, localStorage.getItem(LAST) ?? ""].find((each) => known.has(each));
  return {
    name: "workspaceId",
    label: "Workspace",
    value: chosen ?? workspaces[0]?.id ?? null,
    options: workspaces.map(({ id, name }) => [id, name]),
  };
}

/** Who may take it, when, and for how much. @param {App} app @param {Partial<Task>} task @returns {Field[]} */
function claimFields(app, { runnerPreference, requiredCapabilities, priority, maxCost }) {
  return [
    { name: "runnerPreference", label: "Route", options: ROUTES, value: runnerPreference ?? "any" },
    {
      name: "requiredCapabilities",
      label: "Required capabilities",
      hint: "Separated by commas: only an agent that offers all of them takes it.",
      list: capabilities(app),
      value: requiredCapabilities?.join(", ") ?? null,
    },
    {
      name: "priority",
      label: "Priority",
      type: "number",
      value: priority ?? 0,
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
      value: maxCost ?? null,
    },
  ];
}

/** @param {Partial<Task>} task @returns {Field} */
function attemptsField({ maxAttempts }) {
  return {
    name: "maxAttempts",
    label: "Attempts before it fails",
    type: "number",
    min: 1,
    step: "1",
    value: maxAttempts ?? 3,
  };
}

/** @type {Field[]} */
const TIMES = [
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
  const { workspaceId, title, description } = values;
  return {
    ...claimOf(values),
    workspaceId,
    title: title?.trim(),
    description: description?.trim() || undefined,
    maxCost: number(values.maxCost) ?? undefined,
    dependsOn,
    maxAttempts: number(values.maxAttempts) ?? undefined,
    timeoutSeconds: number(values.timeoutSeconds) ?? undefined,
    notBefore: values.notBefore ? new Date(values.notBefore).toISOString() : undefined,
  };
}

/** @param {Record<string, string>} values */
function claimOf({ runnerPreference, requiredCapabilities = "", priority }) {
  const wanted = requiredCapabilities.split(",").map((each) => each.trim());
  return {
    runnerPreference,
    requiredCapabilities: [...new Set(wanted.filter(Boolean))],
    priority: number(priority) ?? 0,
  };
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
