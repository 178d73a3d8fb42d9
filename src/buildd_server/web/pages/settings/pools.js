// Pools as they are set up: where agents are started by themselves, for whom, and how many. The fleet tells how they do.

import { now } from "../../app/clock.js";
import { h } from "../../app/vdom.js";
import { ask, edit } from "../../parts/dialogs.js";
import {
  accountName,
  button,
  copyable,
  empty,
  part,
  table,
  workspaceName,
} from "../../parts/pieces.js";
import { chip } from "../../parts/states.js";
import { CREATE_POOL } from "../../text/commands.js";
import { poolHealth } from "../../text/health.js";
import { accountField, body, chosenRunner, fields, moreFields, pluginField } from "./pool-form.js";
import { runnerOf } from "./runners.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Pool} Pool
 */

/** @param {App} app */
export function createPools(app) {
  let loaded = false;

  async function read() {
    const pools = await app.act(() => app.api.all("/pools"));
    if (pools === undefined) return;
    app.store.pools.replace(pools);
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
        ...fields(runner, { config: runnerOf(runner).config }),
      ],
      more: moreFields(app, {}),
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
      fields: (thing) => fields(pool.runner, thing),
      more: (thing) => moreFields(app, thing),
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
    const { tone, word } = poolHealth(pool, now());
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
          button("Edit", () => change(pool)),
          button(pool.enabled ? "Disable" : "Enable", () => switched(pool)),
          button("Delete", () => remove(pool), "danger"),
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
        command: CREATE_POOL,
      })
    );
  }

  return {
    read,
    view: () =>
      part(
        "Pools",
        app.may("admin") && app.store.accounts.byId.size > 0 && button("New pool", create),
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
