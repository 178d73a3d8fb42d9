// Where a workspace's tasks come from, and what GitHub must be told so that they come.

import { h } from "../../app/vdom.js";
import { ask, edit, json, shownOnce } from "../../parts/dialogs.js";
import { button, copyable, facts, part, table, when } from "../../parts/pieces.js";
import { chip } from "../../parts/states.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Source} Source
 * @typedef {import("../../types.js").SourceSecret} SourceSecret
 */

const EVENTS = "Issues, Issue comments, Pull requests, Check suites, Workflow runs";
/** @type {[string, string][]} */
const TYPES = [
  ["github", "github: issues with a label"],
  ["manual", "manual: what people and programs put in"],
];

/** @param {App} app @param {string} workspaceId */
export function createSources(app, workspaceId) {
  /** @type {Source[] | null} */
  let sources = null;
  const path = `/workspaces/${workspaceId}/sources`;

  async function read() {
    sources = (await app.act(() => app.api.all(path))) ?? sources;
    app.redraw();
  }

  async function create() {
    const made = await ask(app, "New source", {
      fields: [
        { name: "type", label: "Type", options: TYPES },
        { name: "name", label: "Name", required: true, focus: true, placeholder: "issues" },
        {
          name: "config.repository",
          label: "Repository",
          hint: "Of the type github.",
          placeholder: "owner/repository",
        },
        {
          name: "config.label",
          label: "Label",
          hint: "Of the type github: open issues with it become tasks.",
          placeholder: "buildd",
        },
      ],
      action: "Make source",
      send: ({ type, name, ...values }) =>
        app.api.post(path, { type, name, config: configured(values) }),
    });
    if (made === undefined) return;
    await read();
    if (made.type === "github") await webhook(made, {});
  }

  /** @param {Source} source */
  async function change(source) {
    await edit(app, {
      title: `Edit ${source.name}`,
      path: `/sources/${source.id}`,
      fields: ({ name, config }) => [
        { name: "name", label: "Name", required: true, value: name },
        {
          name: "config",
          label: "Settings, as JSON",
          rows: 10,
          value: JSON.stringify(config, null, 2),
        },
      ],
      body: ({ name, config }) => ({ name, config: json("config", config) }),
    });
    await read();
  }

  /** @param {Source} source */
  async function remove(source) {
    const sure = await app.overlays.confirm({
      title: `Delete ${source.name}?`,
      text: "The tasks that came from it stay. Its webhook at GitHub is refused from then on: remove it there, too.",
      action: "Delete source",
      danger: true,
    });
    if (!sure) return;
    await app.act(() => app.api.delete(`/sources/${source.id}`), `${source.name} is deleted`);
    await read();
  }

  /** @param {Source} source @param {{rotate?: boolean, endRotation?: boolean}} how */
  async function webhook(source, how) {
    /** @type {SourceSecret | undefined} */
    const told = await app.act(() => app.api.post(`/sources/${source.id}/secret`, how));
    if (told) await webhookShown(app, source, told);
  }

  /** @param {Source} source */
  async function rotate(source) {
    const sure = await app.overlays.confirm({
      title: "Make a new secret?",
      text: "The one before holds too, until you end that: give GitHub the new one meanwhile.",
      action: "Make new secret",
    });
    if (sure) await webhook(source, { rotate: true });
  }

  /** @param {Source} source */
  async function endRotation(source) {
    const sure = await app.overlays.confirm({
      title: "Refuse the secret before?",
      text: "Only the newest secret holds from then on. GitHub must have it already.",
      action: "Refuse the old one",
    });
    if (!sure) return;
    await app.act(
      () => app.api.post(`/sources/${source.id}/secret`, { endRotation: true }),
      "Only the newest secret holds now",
    );
  }

  /** @param {Source} source */
  function cells(source) {
    const { type, name, config, createdAt } = source;
    const repository = config.repository;
    return [
      h("div", { class: "named" }, h("b", null, name), chip(type)),
      typeof repository === "string"
        ? h(
            "a",
            { href: `https://github.com/${repository}`, target: "_blank", rel: "noreferrer" },
            repository,
          )
        : h("span", { class: "faint" }, "–"),
      when(createdAt),
      app.may("admin") &&
        h(
          "div",
          { class: "row-actions" },
          type === "github" && [
            button("Webhook", () => webhook(source, {})),
            button("New secret", () => rotate(source)),
            button("End rotation", () => endRotation(source)),
          ],
          button("Edit", () => change(source)),
          button("Delete", () => remove(source), "danger"),
        ),
    ];
  }

  return {
    read,
    view: () =>
      part(
        "Sources",
        app.may("admin") && button("New source", create),
        sources?.length
          ? table(
              "Sources",
              ["Source", "Repository", "Made", null],
              sources.map((each) => ({ key: each.id, cells: cells(each) })),
            )
          : sources && [
              h(
                "p",
                { class: "soft" },
                "Tasks are put in by people only. To have GitHub issues become tasks:",
              ),
              copyable(app, command(workspaceId)),
            ],
      ),
  };
}

/** @param {string} workspaceId */
function command(workspaceId) {
  return `buildd sources create ${workspaceId} issues --type github --config '{"repository": "acme/shop"}'`;
}

/** The settings that were given, of those that a form calls `config.…`. @param {Record<string, string>} values */
function configured(values) {
  const given = Object.entries(values).filter(([, value]) => value.trim());
  return Object.fromEntries(
    given.map(([name, value]) => [name.replace("config.", ""), value.trim()]),
  );
}

/** @param {App} app @param {Source} source @param {SourceSecret} told */
function webhookShown(app, source, told) {
  const { repository } = source.config;
  return shownOnce(app, {
    title: `Webhook of ${source.name}`,
    text: told.rotating
      ? "Give GitHub this secret. The one before holds too, until you end the rotation."
      : "GitHub signs with this secret what it sends. Do not keep it anywhere else.",
    secret: told.secret,
    label: "Secret",
    more: () => [
      facts([
        ["Payload URL", copyable(app, told.payloadUrl ?? `${location.origin}${told.payloadPath}`)],
        ["Content type", copyable(app, "application/json")],
        ["Events", EVENTS],
      ]),
      !told.payloadUrl &&
        h(
          "p",
          { class: "soft" },
          "The server does not know its own URL: set BUILDD_PUBLIC_URL if GitHub reaches it at another one.",
        ),
      typeof repository === "string" &&
        h(
          "a",
          {
            class: "button",
            href: `https://github.com/${repository}/settings/hooks/new`,
            target: "_blank",
            rel: "noreferrer",
          },
          `Add a webhook to ${repository}`,
        ),
    ],
  });
}
