// What is asked of a pool: first where its agents are to live, then what their runner must know, and the limits.

import { ask, json, lines, number } from "../../parts/dialogs.js";
import { RUNNERS, runnerOf } from "./runners.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Pool} Pool
 * @typedef {import("../../parts/forms.js").Field} Field
 */

const OTHER = "other";

/** Where agents are to live; "" for a plugin's runner. @param {App} app @returns {Promise<string | undefined>} */
export function chosenRunner(app) {
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
export function pluginField() {
  return {
    name: "runner",
    label: "Runner",
    hint: "As `buildd plugins list` names it.",
    required: true,
  };
}

/** @param {App} app @returns {Field} */
export function accountField(app) {
  return {
    name: "accountId",
    label: "Account",
    hint: "Whose agents they are: its grants, limits and budget hold.",
    options: app.store.accounts.newest().map(({ id, name }) => [id, name]),
  };
}

/** @param {string} runner @param {Partial<Pool>} pool @returns {Field[]} */
export function fields(runner, pool) {
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
      name: "arguments",
      label: "Further arguments of buildd-agent, one in a line",
      rows: 2,
      placeholder: "--executor=claude",
      value: pool.arguments?.join("\n") ?? null,
    },
    ...(passEnv ? [passEnvField(pool)] : []),
  ];
}

/** @param {App} app @param {Partial<Pool>} pool @returns {{label: string, fields: Field[]}} */
export function moreFields(app, pool) {
  return {
    label: "For whom, how many, how long",
    fields: [
      workspaceField(app, pool),
      {
        name: "capabilities",
        label: "What its agents can do, one in a line",
        rows: 2,
        placeholder: "gpu",
        value: pool.capabilities?.join("\n") ?? null,
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
        name: "startTimeoutSeconds",
        label: "Seconds until it must have taken work",
        type: "number",
        min: 30,
        required: true,
        value: pool.startTimeoutSeconds ?? 600,
      },
      {
        name: "server",
        label: "This server, as its agents reach it",
        placeholder: location.origin,
        value: pool.server ?? null,
      },
    ],
  };
}

/** @param {App} app @param {Partial<Pool>} pool @returns {Field} */
function workspaceField(app, { workspaceId }) {
  const some = app.store.workspaces.newest();
  return {
    name: "workspaceId",
    label: "Workspace",
    options: [
      ["", "all that its account may claim in"],
      ...some.map(({ id, name }) => /** @type {[string, string]} */ ([id, `${name} only`])),
    ],
    value: workspaceId ?? "",
  };
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
export function body(values) {
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
