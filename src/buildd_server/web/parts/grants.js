// Which account may do what in which workspace: a list for one workspace, a matrix for all of them.

import { ApiError } from "../app/api.js";
import { h } from "../app/vdom.js";
import { CREATE_ACCOUNT, CREATE_WORKSPACE } from "../text/commands.js";
import { copyable, part, select, table } from "./pieces.js";
import { chip } from "./states.js";

/**
 * @typedef {import("../app/main.js").App} App
 * @typedef {import("../types.js").Account} Account
 * @typedef {import("../types.js").Workspace} Workspace
 * @typedef {import("../types.js").Grant} Grant
 * @typedef {"none" | "read" | "claim" | "create" | "both"} Level
 */

/** @type {[Level, string][]} */
const LEVELS = [
  ["none", "nothing"],
  ["read", "looks"],
  ["claim", "takes tasks"],
  ["create", "creates tasks"],
  ["both", "takes and creates"],
];

/** What a grant amounts to; any at all lets its account look. @param {Grant | undefined} grant @returns {Level} */
export function levelOf(grant) {
  if (grant === undefined) return "none";
  if (grant.canClaim) return grant.canCreate ? "both" : "claim";
  return grant.canCreate ? "create" : "read";
}

/** @param {Level} level */
export function granted(level) {
  return {
    canClaim: level === "claim" || level === "both",
    canCreate: level === "create" || level === "both",
  };
}

/** @param {App} app */
export function createGrants(app) {
  /** @type {Map<string, Grant>} */
  const grants = new Map();
  let loaded = false;

  async function read() {
    await app.act(async () => {
      const accounts = app.store.accounts.newest();
      const all = await Promise.all(
        accounts.map(({ id }) => app.api.get(`/accounts/${id}/workspaces`)),
      );
      grants.clear();
      for (const each of all.flat()) grants.set(place(each.accountId, each.workspaceId), each);
      loaded = true;
    });
  }

  /** @param {string} account @param {string} workspace */
  const levelIn = (account, workspace) => levelOf(grants.get(place(account, workspace)));

  /** What is chosen is shown at once; if it is refused, what was before. @param {Account} account @param {string} workspaceId @param {Level} level */
  async function choose({ id: accountId, name }, workspaceId, level) {
    const key = place(accountId, workspaceId);
    const before = grants.get(key);
    const wanted = { accountId, workspaceId, ...granted(level) };
    if (level === "none") grants.delete(key);
    else grants.set(key, wanted);
    app.redraw();
    try {
      if (level === "none")
        await app.api.delete(`/accounts/${accountId}/workspaces/${workspaceId}`);
      else
        await app.api.post(`/accounts/${accountId}/workspaces`, { workspaceId, ...granted(level) });
    } catch (error) {
      if (before) grants.set(key, before);
      else grants.delete(key);
      if (!(error instanceof ApiError)) throw error;
      app.overlays.toast(`${name}: ${error.message}`, "error");
    }
    app.redraw();
  }

  /** @param {Account} account @param {string} workspaceId @param {Level} on @param {string} label */
  function toggle(account, workspaceId, on, label) {
    const level = levelIn(account.id, workspaceId);
    const { canClaim, canCreate } = granted(level);
    const checked = on === "read" ? level !== "none" : on === "claim" ? canClaim : canCreate;
    return h("input", {
      type: "checkbox",
      checked,
      disabled: !loaded || !app.may("admin"),
      "aria-label": `${account.name}: ${label}`,
      onchange: () => void choose(account, workspaceId, toggled(level, on)),
    });
  }

  /** @param {string} workspaceId */
  function workspaceView(workspaceId) {
    const accounts = app.store.accounts.newest();
    return part(
      "Grants",
      null,
      accounts.length
        ? table(
            "Grants",
            ["Account", "Looks", "Takes tasks", "Creates tasks"],
            accounts.map((each) => ({
              key: each.id,
              cells: [
                h("div", { class: "named" }, h("b", null, each.name), chip(each.type)),
                toggle(each, workspaceId, "read", "may look"),
                toggle(each, workspaceId, "claim", "may take tasks"),
                toggle(each, workspaceId, "create", "may create tasks"),
              ],
            })),
          )
        : noAccount(app),
    );
  }

  /** @param {Account} account @param {Workspace} workspace */
  function choice(account, workspace) {
    return select({
      label: `${account.name} in ${workspace.name}`,
      value: levelIn(account.id, workspace.id),
      disabled: !loaded || !app.may("admin"),
      options: LEVELS,
      choose: (chosen) => choose(account, workspace.id, /** @type {Level} */ (chosen)),
    });
  }

  function matrixView() {
    return part(
      "Grants",
      null,
      h(
        "p",
        { class: "soft" },
        "What each account may do in each workspace. What it holds where it may no longer work, it may still finish.",
      ),
      matrix(),
    );
  }

  function matrix() {
    const accounts = app.store.accounts.newest();
    const workspaces = app.store.workspaces.newest();
    if (accounts.length === 0) return noAccount(app);
    if (workspaces.length === 0)
      return [
        h("p", { class: "soft" }, "There is no workspace yet."),
        copyable(app, CREATE_WORKSPACE),
      ];
    return table(
      "Grants",
      ["Account", ...workspaces.map(({ name }) => name)],
      accounts.map((account) => ({
        key: account.id,
        cells: [
          h("div", { class: "named" }, h("b", null, account.name), chip(account.type)),
          ...workspaces.map((workspace) => choice(account, workspace)),
        ],
      })),
    );
  }

  return { read, workspaceView, matrixView };
}

/** A level with one of its parts given or taken. @param {Level} level @param {Level} part @returns {Level} */
export function toggled(level, part) {
  if (part === "read") return level === "none" ? "read" : "none";
  const { canClaim, canCreate } = granted(level);
  return levelOf({
    accountId: "",
    workspaceId: "",
    canClaim: part === "claim" ? !canClaim : canClaim,
    canCreate: part === "create" ? !canCreate : canCreate,
  });
}

/** @param {string} account @param {string} workspace */
function place(account, workspace) {
  return `${account}/${workspace}`;
}

/** @param {App} app */
function noAccount(app) {
  return [
    h("p", { class: "soft" }, "There is no account yet that could be granted anything."),
    copyable(app, CREATE_ACCOUNT),
  ];
}
