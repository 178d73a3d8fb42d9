// Pools as they are set up: where agents are started by themselves, for whom, and how many. The fleet tells how they do.
// @ts-check

import { h } from "../../app/vdom.js";
import { ask, edit, json, lines, number } from "../../parts/dialogs.js";
import { accountName, copyable, empty, table, workspaceName } from "../../parts/pieces.js";
import { chip } from "../../parts/states.js";
import { poolHealth } from "../fleet/health.js";
import { RUNNERS, runnerOf } from "./runners.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Pool} Pool
 * @typedef {import("../../parts/forms.js").Field} Field
 */

const OTHER = "other";

/** @param {App} app */
export function createPools(app) {
  let loaded = false;

  async function read() {
    const pools = await app.act(() => app.api.all("/pools"));
    if (pools === undefined) return;
    app.store.pools.clear();
    app.store.pools.putAll(pools);
    loaded = true;
    app.redraw();
  }

  async function create() {
    const runner = await chosenRunner(app);
    if (runner === undefined) return;
    const made = await ask(app, `New pool of ${runner || "a plugin's runner"}`, {
      fields: [
        ...(runner ? [] : [pluginField()]),
        accountField(app),
        ...fields(app, runner, { config: runnerOf(runner).config, maximum: 1 }),
      ],
      action: "Make pool",
      send: (values) =>
        app.api.post("/pools", {
          runner: runner || values.runner,
          accountId: values.accountId,
          ...body(values),
        }),
    });
    if (made === undefined) return;
    app.store.pools.put(made);
    await check(made);
  }

  /** A pool that could start nothing says so at once, and not with its first task. @param {Pool} pool */
  async function check(pool) {
    const said = await app.act(() => app.api.post(`/pools/${pool.id}/check`));
    if (said?.passed) app.overlays.toast(`${pool.name} can start agents`);
    else if (said)
      app.overlays.toast(`${pool.name} can start nothing yet: ${said.detail}`, "error");
    await read();
  }

  /** @param {Pool} pool */
  async function change(pool) {
    await edit(app, {
      title: `Edit ${pool.name}`,
      path: `/pools/${pool.id}`,
      fields: (thing) => fields(app, pool.runner, thing),
      body,
    });
    await read();
  }

  /** @param {Pool} pool */
  async function switched(pool) {
    const sure =
      !pool.enabled ||
      (await app.overlays.confirm({
        title: `Disable ${pool.name}?`,
        text: "It starts nothing more. What waits for work is stopped; what works may finish.",
        action: "Disable pool",
      }));
    if (!sure) return;
    await app.act(() => app.api.patch(`/pools/${pool.id}`, { enabled: !pool.enabled }));
    await read();
  }

  /** @param {Pool} pool */
  async function remove(pool) {
    const sure = await app.overlays.confirm({
      title: `Delete ${pool.name}?`,
      text: "Its launches stay as history. A pool with open launches cannot be deleted: disable it first.",
      action: "Delete pool",
      danger: true,
    });
    if (!sure) return;
    await app.act(() => app.api.delete(`/pools/${pool.id}`), `${pool.name} is deleted`);
    await read();
  }

  /** @param {Pool} pool */
  function cells(pool) {
    const { tone, word } = poolHealth(pool, Date.now());
    return [
      h("div", { class: "named" }, h("b", null, pool.name), chip(pool.runner)),
      h("a", { class: ["badge", `tone-${tone}`], href: "/fleet" }, word),
      accountName(app, pool.accountId),
      pool.workspaceId
        ? workspaceName(app, pool.workspaceId)
        : h("span", { class: "faint" }, "all it may"),
      h("span", { class: "figure" }, `${pool.openLaunches} of ${pool.maximum}`),
      app.may("admin") &&
        h(
          "div",
          { class: "row-actions" },
          h("button", { type: "button", onclick: () => change(pool) }, "Edit"),
          h(
            "button",
            { type: "button", onclick: () => switched(pool) },
            pool.enabled ? "Disable" : "Enable",
          ),
          h("button", { type: "button", class: "danger", onclick: () => remove(pool) }, "Delete"),
        ),
    ];
  }

  function list() {
    const pools = app.store.pools.newest();
    if (pools.length)
      return table(
        "Pools",
        ["Pool", "State", "Account", "Workspace", "Launches", null],
        pools.map((each) => ({ key: each.id, cells: cells(each) })),
      );
    return (
      loaded &&
      empty(app, {
        title: "No pool yet",
        text: "A pool starts agents by itself when a task waits that its account could take.",
        command:
          "buildd pools create here --account ACC_ID --runner local --maximum 2 --argument=--executor=claude --pass-env ANTHROPIC_API_KEY",
      })
    );
  }

  return {
    read,
    view: () =>
      h(
        "section",
        { class: "part", "aria-labelledby": "pools" },
        h(
          "header",
          { class: "part-head" },
          h("h2", { id: "pools" }, "Pools"),
          app.may("admin") &&
            app.store.accounts.byId.size > 0 &&
            h("button", { type: "button", onclick: create }, "New pool"),
        ),
        app.store.accounts.byId.size === 0
          ? [
              h(
                "p",
                { class: "soft" },
                "A pool starts agents of an account, and there is none yet.",
              ),
              copyable(app, "buildd accounts create Fleet --type service"),
            ]
          : list(),
      ),
  };
}

/** Where agents are to live; "" for a plugin's runner. @param {App} app @returns {Promise<string | undefined>} */
function chosenRunner(app) {
  return ask(app, "New pool", {
    fields: [
      {
        name: "runner",
        label: "Where are its agents to live?",
        options: [
          ...Object.entries(RUNNERS).map(
            ([name, { about }]) => /** @type {[string, string]} */ ([name, `${name}: ${about}`]),
          ),
          [OTHER, "another runner, of a plugin"],
        ],
        focus: true,
      },
    ],
    action: "Go on",
    send: async ({ runner }) => (runner === OTHER ? "" : runner),
  });
}

/** @returns {Field} */
function pluginField() {
  return {
    name: "runner",
    label: "Runner",
    hint: "As `buildd plugins list` names it.",
    required: true,
  };
}

/** @param {App} app @returns {Field} */
function accountField(app) {
  return {
    name: "accountId",
    label: "Account",
    hint: "Whose agents they are: its grants, limits and budget hold.",
    options: app.store.accounts.newest().map(({ id, name }) => [id, name]),
  };
}

/**
 * @param {App} app
 * @param {string} runner
 * @param {Partial<Pool>} pool
 * @returns {Field[]}
 */
function fields(app, runner, pool) {
  const { hint, passEnv } = runnerOf(runner);
  return [
    { name: "name", label: "Name", required: true, placeholder: "fleet", value: pool.name ?? null },
    {
      name: "config",
      label: `Settings of ${runner || "the runner"}, as JSON`,
      hint,
      rows: 7,
      value: JSON.stringify(pool.config, null, 2),
    },
    {
      name: "maximum",
      label: "Launches at once, at most",
      type: "number",
      min: 1,
      required: true,
      value: pool.maximum ?? 1,
    },
    {
      name: "minimum",
      label: "Idle agents kept ready",
      hint: "With 0, an agent is started when a task waits.",
      type: "number",
      min: 0,
      required: true,
      value: pool.minimum ?? 0,
    },
    {
      name: "workspaceId",
      label: "Workspace",
      options: [
        ["", "all that its account may claim in"],
        ...app.store.workspaces
          .newest()
          .map(({ id, name }) => /** @type {[string, string]} */ ([id, `${name} only`])),
      ],
      value: pool.workspaceId ?? "",
    },
    {
      name: "capabilities",
      label: "What its agents can do, one in a line",
      rows: 2,
      placeholder: "gpu",
      value: pool.capabilities?.join("\n") ?? null,
    },
    {
      name: "arguments",
      label: "Further arguments of buildd-agent, one in a line",
      rows: 2,
      placeholder: "--executor=claude",
      value: pool.arguments?.join("\n") ?? null,
    },
    ...(passEnv ? [passEnvField(pool)] : []),
    {
      name: "server",
      label: "This server, as its agents reach it",
      placeholder: location.origin,
      value: pool.server ?? null,
    },
    {
      name: "startTimeoutSeconds",
      label: "Seconds until it must have taken work",
      type: "number",
      min: 30,
      required: true,
      value: pool.startTimeoutSeconds ?? 600,
    },
  ];
}

/** @param {Partial<Pool>} pool @returns {Field} */
function passEnvField({ passEnv }) {
  return {
    name: "passEnv",
    label: "Variables of the server that its agents are given, one name in a line",
    hint: "Names only: the values stay with the server, and go privately.",
    rows: 2,
    placeholder: "ANTHROPIC_API_KEY",
    value: passEnv?.join("\n") ?? null,
  };
}

/** @param {Record<string, string>} values */
function body(values) {
  return {
    name: values.name,
    config: json("config", values.config),
    workspaceId: values.workspaceId || null,
    capabilities: lines(values.capabilities),
    arguments: lines(values.arguments),
    passEnv: lines(values.passEnv),
    minimum: number(values.minimum),
    maximum: number(values.maximum),
    startTimeoutSeconds: number(values.startTimeoutSeconds),
    server: values.server?.trim() || null,
  };
}
