// Pools and what they have started, by the runner that does it: how they do, and what to do when they do not.

import { now } from "../../app/clock.js";
import { h } from "../../app/vdom.js";
import {
  accountName,
  button,
  empty,
  part,
  shortId,
  table,
  taskLink,
  when,
  workspaceName,
} from "../../parts/pieces.js";
import { badge } from "../../parts/states.js";
import { CREATE_POOL } from "../../text/commands.js";
import { grouped, poolHealth } from "../../text/health.js";
import { plural } from "../../text/words.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Pool} Pool
 * @typedef {import("../../types.js").Launch} Launch
 * @typedef {import("../../types.js").Leftover} Leftover
 * @typedef {import("./reading.js").Fleet} Fleet
 */

const OVER = new Set(["ended", "failed"]);

/** @param {App} app @param {Fleet} fleet */
export function poolsView(app, fleet) {
  const pools = app.store.pools.newest();
  return part(
    "Pools",
    null,
    pools.length
      ? grouped(pools, ({ runner }) => runner).map(([runner, some]) =>
          h(
            "div",
            { class: "runner", key: runner },
            h("h3", null, `Runner ${runner}`),
            some.map((each) => poolView(app, fleet, each)),
          ),
        )
      : fleet.loaded &&
          empty(app, {
            title: "No pool yet",
            text: "A pool starts agents by itself when a task waits: on this machine, on a VM, in Coder, in GitHub Actions.",
            command: CREATE_POOL,
            action: h("a", { class: "button", href: "/settings?tab=pools" }, "Make a pool"),
          }),
  );
}

/** @param {App} app @param {Fleet} fleet @param {Pool} pool */
function poolView(app, fleet, pool) {
  const { tone, word, trouble, fix } = poolHealth(pool, now());
  const launches = app.store.launches
    .newest()
    .filter((each) => each.poolId === pool.id && !OVER.has(each.status));
  return h(
    "article",
    { class: "pool panel", key: pool.id, "aria-label": `Pool ${pool.name}` },
    h(
      "header",
      null,
      h("b", null, pool.name),
      h("span", { class: ["badge", `tone-${tone}`] }, word),
      h("span", { class: "soft" }, about(app, pool)),
      app.may("admin") && buttons(app, fleet, pool),
    ),
    trouble &&
      h(
        "p",
        { class: ["pool-trouble", `tone-${tone}`] },
        h("b", null, trouble),
        " ",
        h("span", null, fix),
      ),
    pool.retryAt &&
      word === "waits" &&
      h(
        "p",
        { class: "soft" },
        `After ${plural(pool.failures, "failure")}, the next try is `,
        when(pool.retryAt),
        ".",
      ),
    launches.length > 0 && launchesView(app, pool, launches),
  );
}

/** @param {App} app @param {Pool} pool */
function about(app, { openLaunches, maximum, minimum, accountId, workspaceId }) {
  return [
    `${openLaunches} of ${plural(maximum, "launch", "launches")}`,
    minimum > 0 && `${minimum} kept ready`,
    accountName(app, accountId),
    workspaceId && `for ${workspaceName(app, workspaceId)} only`,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** @param {App} app @param {Fleet} fleet @param {Pool} pool */
function buttons(app, fleet, pool) {
  return h(
    "div",
    { class: "row-actions" },
    button("Check pool", () => checked(app, fleet, pool)),
    button("Find leftovers", () => reaped(app, fleet, pool)),
  );
}

/** @param {App} app @param {Fleet} fleet @param {Pool} pool */
async function checked(app, fleet, pool) {
  const check = await app.act(() => app.api.post(`/pools/${pool.id}/check`));
  if (check?.passed) app.overlays.toast(`${pool.name} could start an agent`);
  else if (check)
    app.overlays.toast(`${pool.name} could not start anything: ${check.detail}`, "error");
  await fleet.read();
}

/** First what would be stopped, and that only if somebody says so. @param {App} app @param {Fleet} fleet @param {Pool} pool */
async function reaped(app, fleet, pool) {
  const path = `/pools/${pool.id}/reap`;
  /** @type {Leftover[] | undefined} */
  const found = await app.act(() => app.api.post(path, { dryRun: true }));
  if (found === undefined) return;
  if (found.length === 0) return app.overlays.toast(`Nothing is left over in ${pool.name}`);
  const sure = await app.overlays.confirm({
    title: `Left over in ${pool.name}`,
    text: "This runs on the pool's platform for no open launch. What is unknown here may be another server's.",
    more: table(
      "Leftovers",
      ["Launch", "On the platform", "Known here"],
      found.map((each) => ({ key: each.externalId, cells: leftoverCells(each) })),
    ),
    action: `Stop ${plural(found.length, "leftover")}`,
    danger: true,
  });
  if (!sure) return;
  /** @type {Leftover[] | undefined} */
  const stopped = await app.act(() => app.api.post(path, {}));
  const kept = stopped?.filter((each) => !each.stopped) ?? [];
  for (const each of kept)
    app.overlays.toast(`${each.externalId}: ${each.detail ?? "could not be stopped"}`, "error");
  if (stopped && kept.length === 0)
    app.overlays.toast(`Stopped ${plural(stopped.length, "leftover")}`);
  await fleet.read();
}

/** @param {Leftover} leftover */
function leftoverCells({ launchId, externalId, url, known }) {
  return [
    h("code", null, shortId(launchId)),
    url ? h("a", { href: url, target: "_blank", rel: "noreferrer" }, externalId) : externalId,
    known ? "yes" : h("b", null, "no"),
  ];
}

/** @param {App} app @param {Pool} pool @param {Launch[]} launches */
function launchesView(app, pool, launches) {
  return table(
    `Open launches of ${pool.name}`,
    ["Launch", "Status", "For", "What its runner saw", "Since", null],
    launches.map((each) => ({ key: each.id, cells: launchCells(app, each) })),
  );
}

/** @param {App} app @param {Launch} launch */
function launchCells(app, launch) {
  const { id, url, externalId, status, taskId, detail, unknownSince, stopReason, createdAt } =
    launch;
  const name = externalId ?? shortId(id);
  return [
    url
      ? h("a", { href: url, target: "_blank", rel: "noreferrer" }, name)
      : h("span", { title: id }, name),
    badge(status),
    taskId ? taskLink(app, taskId) : h("span", { class: "soft" }, "whatever comes"),
    unknownSince
      ? h(
          "span",
          { class: "heard tone-ask" },
          "its platform does not answer, since ",
          when(unknownSince),
        )
      : h("span", { class: "soft" }, stopReason ?? detail ?? "–"),
    when(createdAt),
    app.may("admin") && stopButton(app, launch, name),
  ];
}

/** @param {App} app @param {Launch} launch @param {string} name */
function stopButton(app, launch, name) {
  const again = launch.status === "stopping";
  return h(
    "div",
    { class: "row-actions" },
    button(again ? "Give up" : "Stop", () => stopped(app, launch, name, again), "danger"),
  );
}

/** @param {App} app @param {Launch} launch @param {string} name @param {boolean} again */
async function stopped(app, launch, name, again) {
  const sure = await app.overlays.confirm({
    title: again ? `Give up ${name}?` : `Stop ${name}?`,
    text: again
      ? "It counts as over, whatever its platform may still run."
      : "Its agent has 30 seconds to finish. What it works on then goes back.",
    action: again ? "Give up launch" : "Stop launch",
    danger: true,
  });
  if (!sure) return;
  const answer = await app.act(
    () => app.api.post(`/launches/${launch.id}/stop`),
    "The launch is told to stop",
  );
  if (answer) app.store.launches.put(answer);
  app.redraw();
}
