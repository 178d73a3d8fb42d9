// Hooks: URLs that are called when a person should know of something, and what became of each call.

import { ApiError } from "../../app/api.js";
import { h } from "../../app/vdom.js";
import { ask, boxes, edit, shownOnce, ticked } from "../../parts/dialogs.js";
import { button, empty, part, table, when, workspaceName } from "../../parts/pieces.js";
import { chip } from "../../parts/states.js";
import { createDeliveries, hostOf } from "./deliveries.js";
import { OVERLAPS } from "./keys.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Hook} Hook
 * @typedef {import("../../types.js").NewHook} NewHook
 */

/** @type {[string, string][]} */
const TYPES = [
  ["waiting_input", "an agent asks something"],
  ["completed", "a task is done"],
  ["failed", "a task failed for good"],
  ["budget", "a budget is used up"],
];
const ALL = TYPES.map(([type]) => type);

/** @param {App} app */
export function createHooks(app) {
  /** @type {Hook[] | null} */
  let hooks = null;
  const deliveries = createDeliveries(app);

  async function read() {
    hooks = (await app.act(() => app.api.all("/hooks"))) ?? hooks;
    app.redraw();
  }

  async function create() {
    const made = await ask(app, "New hook", {
      fields: [
        urlField(""),
        {
          name: "workspaceId",
          label: "Tells of",
          options: [
            ["", "all workspaces"],
            ...app.store.workspaces
              .newest()
              .map(({ id, name }) => /** @type {[string, string]} */ ([id, name])),
          ],
        },
      ],
      extra: boxes("type", "When", TYPES, ALL),
      action: "Make hook",
      send: async (values) =>
        app.api.post("/hooks", {
          url: values.url,
          workspaceId: values.workspaceId || null,
          types: chosenTypes(values),
        }),
    });
    if (made) await secretShown(app, made);
    await read();
  }

  /** @param {Hook} hook */
  async function change({ id, url }) {
    await edit(app, {
      title: `Edit the hook at ${hostOf(url)}`,
      path: `/hooks/${id}`,
      fields: (thing) => [urlField(thing.url)],
      extra: (thing) => boxes("type", "When", TYPES, thing.types),
      body: (values) => ({ url: values.url, types: chosenTypes(values) }),
    });
    await read();
  }

  /** @param {Hook} hook */
  async function rotate({ id, url }) {
    const made = await ask(app, `New secret for ${hostOf(url)}`, {
      fields: [{ name: "overlapSeconds", label: "Both secrets sign for", options: OVERLAPS }],
      action: "Make new secret",
      send: ({ overlapSeconds }) =>
        app.api.post(`/hooks/${id}/rotate`, { overlapSeconds: Number(overlapSeconds) }),
    });
    if (made) await secretShown(app, made);
    await read();
  }

  /** @param {Hook} hook */
  async function tested(hook) {
    const sent = await app.act(
      () => app.api.post(`/hooks/${hook.id}/test`),
      "A test is on its way",
    );
    if (sent) await deliveries.show(hook);
  }

  /** @param {Hook} hook */
  async function switched({ id, active }) {
    await app.act(() => app.api.patch(`/hooks/${id}`, { active: !active }));
    await read();
  }

  /** @param {Hook} hook */
  async function remove(hook) {
    const sure = await app.overlays.confirm({
      title: `Delete the hook at ${hostOf(hook.url)}?`,
      text: "All its deliveries go with it, and what was still to be sent is not sent.",
      action: "Delete hook",
      danger: true,
    });
    if (!sure) return;
    await app.act(() => app.api.delete(`/hooks/${hook.id}`), "The hook is deleted");
    deliveries.forget(hook);
    await read();
  }

  /** @param {Hook} hook */
  function cells(hook) {
    return [
      h("b", null, hostOf(hook.url)),
      hook.workspaceId
        ? workspaceName(app, hook.workspaceId)
        : h("span", { class: "faint" }, "all"),
      h(
        "div",
        { class: "chips" },
        hook.types.map((type) => h("span", { key: type }, chip(type))),
      ),
      state(hook),
      app.may("admin") &&
        h(
          "div",
          { class: "row-actions" },
          button("Test", () => tested(hook)),
          button("Deliveries", () => deliveries.show(hook)),
          button("New secret", () => rotate(hook)),
          button("Edit", () => change(hook)),
          button(hook.active ? "Switch off" : "Switch on", () => switched(hook)),
          button("Delete", () => remove(hook), "danger"),
        ),
    ];
  }

  return {
    read,
    close: deliveries.close,
    view: () => [
      part(
        "Hooks",
        app.may("admin") && button("New hook", create),
        hooks?.length
          ? table(
              "Hooks",
              ["Leads to", "Workspace", "When", "State", null],
              hooks.map((each) => ({ key: each.id, cells: cells(each) })),
            )
          : hooks &&
              empty(app, {
                title: "No hook yet",
                text: "A hook is a URL that is called when an agent asks, a task ends, or a budget is used up.",
                command: "buildd hooks create https://hooks.example.com/buildd",
              }),
      ),
      deliveries.view(),
    ],
  };
}

/** @param {Hook} hook */
function state({ active, disabledReason, failingSince, lastError }) {
  if (!active)
    return [
      h("span", { class: "badge tone-mute" }, "off"),
      note(disabledReason ?? "switched off by a person"),
    ];
  if (failingSince)
    return [
      h("span", { class: "badge tone-bad" }, "fails, since ", when(failingSince)),
      lastError && note(lastError),
    ];
  return h("span", { class: "badge tone-good" }, "works");
}

/** @param {string} text */
function note(text) {
  return h("p", { class: "soft hook-note" }, text);
}

/** @param {App} app @param {NewHook} made */
function secretShown(app, made) {
  return shownOnce(app, {
    title: `Hook at ${hostOf(made.url)}: its secret`,
    text: "This secret is shown this once. Whoever receives the calls checks their signatures with it.",
    secret: made.secret,
    label: "Secret",
    more: () =>
      h(
        "p",
        { class: "soft" },
        "Signatures are as Standard Webhooks has them: webhook-id, webhook-timestamp, webhook-signature.",
      ),
  });
}

/** @param {string} value @returns {import("../../parts/forms.js").Field} */
function urlField(value) {
  return {
    name: "url",
    label: "URL",
    placeholder: "https://hooks.example.com/buildd",
    required: true,
    focus: true,
    value,
  };
}

/** @param {Record<string, string>} values */
function chosenTypes(values) {
  const types = ticked(values, "type");
  if (types.length === 0) throw new ApiError(422, { detail: "Tick when it is to be called." });
  return types;
}
