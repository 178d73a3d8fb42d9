// Why a task waits, in one click: what every account and pool lacks, in sentences, and what to do about it.

import { h } from "../app/vdom.js";
import { agentCommand, CREATE_ACCOUNT } from "../text/commands.js";
import { OF_THE_TASK, remedy, sentenceOf } from "../text/remedies.js";
import { exact } from "../text/words.js";
import { openApproval } from "./approval.js";
import { button, copyable, when } from "./pieces.js";
import { badge, chip } from "./states.js";

/**
 * @typedef {import("../app/main.js").App} App
 * @typedef {import("../app/vdom.js").Child} Child
 * @typedef {import("../types.js").Task} Task
 * @typedef {import("../types.js").Why} Why
 * @typedef {import("../types.js").Reason} Reason
 * @typedef {{kind: "account" | "pool", id: string, name: string, type: string, unmet: Reason[],
 *   launch?: import("../types.js").Launch | null}} Lacking
 */

/**
 * @param {App} app
 * @param {Task} task
 */
export async function openWhy(app, task) {
  const read = await app.act(() =>
    Promise.all([app.api.get(`/tasks/${task.id}/why`), awaited(app, task)]),
  );
  if (!read) return;
  const [why, parents] = read;
  void app.overlays.dialog("Why it waits", (close) => {
    // Somebody may take it while its reader looks for what it lacks.
    const status = app.store.tasks.get(task.id)?.status ?? why.status;
    return whyView(app, task, { ...why, status }, parents, close);
  });
}

/** The tasks that it depends on. @param {App} app @param {Task} task @returns {Promise<Task[]>} */
async function awaited(app, { dependsOn }) {
  return Promise.all(
    (dependsOn ?? []).map((id) => app.store.tasks.get(id) ?? app.api.get(`/tasks/${id}`)),
  );
}

/**
 * @param {App} app
 * @param {Task} task
 * @param {Why} why
 * @param {Task[]} parents
 * @param {() => void} close
 * @returns {Child}
 */
function whyView(app, task, why, parents, close) {
  if (why.status !== "pending") return h("p", null, "It does not wait: ", badge(why.status));
  const accounts = why.accounts.map(({ accountId, ...each }) =>
    lacking("account", accountId, each),
  );
  const pools = why.pools.map(({ poolId, runner, ...each }) =>
    lacking("pool", poolId, { ...each, type: runner }),
  );
  const own = accounts[0]?.unmet.filter(({ code }) => OF_THE_TASK.has(code)) ?? [];
  return [
    h("p", { class: "why-task", dir: "auto" }, task.title),
    h("p", { class: "soft" }, verdict(why)),
    own.map((each) => ofTheTask(app, task, each, parents, close)),
    agent(app, task, why),
    accounts.length > 0 && group(app, task, "Accounts", accounts),
    pools.length > 0 && group(app, task, "Pools", pools),
  ];
}

/** @param {"account" | "pool"} kind @param {string} id @param {Omit<Lacking, "kind" | "id">} each @returns {Lacking} */
function lacking(kind, id, each) {
  return { kind, id, ...each };
}

/** @param {Why} why */
function verdict({ claimable, accounts }) {
  if (accounts.length === 0) return "There is no account that could take it.";
  if (!claimable) return "No account may take it now.";
  return "It can be taken now: it waits for an agent to ask for work.";
}

/**
 * What no account could help, said once.
 * @param {App} app
 * @param {Task} task
 * @param {Reason} reason
 * @param {Task[]} parents
 * @param {() => void} close
 */
function ofTheTask(app, task, reason, parents, close) {
  if (reason.code === "not_ready") return dependencies(parents);
  if (reason.code === "not_yet")
    return h(
      "p",
      { key: reason.code },
      "It is not to begin before ",
      exact(task.notBefore),
      " (",
      when(task.notBefore),
      ").",
    );
  const approve = () => {
    close();
    void openApproval(app, task);
  };
  return h(
    "p",
    { key: reason.code, class: "why-approve" },
    "Anybody may have written it: a person must read and approve it first. ",
    button("Read and approve", approve, "primary"),
  );
}

/** @param {Task[]} parents */
function dependencies(parents) {
  const open = parents.filter((each) => each.status !== "completed");
  return h(
    "div",
    { key: "not_ready" },
    h(
      "p",
      null,
      open.length === 1 ? "It waits for another task:" : `It waits for ${open.length} other tasks:`,
    ),
    h(
      "ul",
      { class: "why-parents" },
      open.map(({ id, status, title }) =>
        h("li", { key: id }, badge(status), h("a", { href: `/tasks/${id}`, dir: "auto" }, title)),
      ),
    ),
  );
}

/** What to start, where nothing else is missing. @param {App} app @param {Task} task @param {Why} why */
function agent(app, task, { claimable, accounts, pools }) {
  if (accounts.length === 0) return app.admin && copyable(app, CREATE_ACCOUNT, "Copy the command");
  if (!claimable || pools.some(({ launch, unmet }) => launch || unmet.length === 0)) return null;
  const able = accounts.filter(({ unmet }) => unmet.length === 0).map(({ name }) => name);
  return [
    h("p", null, `Start an agent with the key of ${able.slice(0, 3).join(" or ")}:`),
    copyable(app, agentCommand(task.workspaceId, task.requiredCapabilities), "Copy the command"),
  ];
}

/** @param {App} app @param {Task} task @param {string} title @param {Lacking[]} all */
function group(app, task, title, all) {
  const nearest = [...all].sort((a, b) => a.unmet.length - b.unmet.length);
  return h(
    "section",
    { class: "why-group", key: title },
    h("h3", null, title),
    nearest.map((each, index) => one(app, task, each, index === 0)),
  );
}

/** @param {App} app @param {Task} task @param {Lacking} who @param {boolean} open */
function one(app, task, who, open) {
  const unmet = who.unmet.filter(({ code }) => !OF_THE_TASK.has(code));
  return h(
    "details",
    { key: who.id, class: "why-one", ...(open ? { open: true } : {}) },
    h(
      "summary",
      null,
      h("b", { dir: "auto" }, who.name),
      chip(who.type),
      h("span", { class: "soft" }, short(who, unmet)),
    ),
    h(
      "ul",
      null,
      unmet.map((each) => {
        const command = remedy(each.code, who, task);
        return h(
          "li",
          { key: each.code },
          h("p", null, sentenceOf(each, task)),
          command &&
            (app.admin || command.includes("buildd-agent")) &&
            copyable(app, command, "Copy the command"),
        );
      }),
    ),
  );
}

/** @param {Lacking} who @param {Reason[]} unmet */
function short({ kind, launch, unmet: all }, unmet) {
  if (launch) return `has asked for an agent: ${launch.status}`;
  if (unmet.length > 1) return `lacks ${unmet.length} things`;
  if (unmet.length === 1) return "lacks one thing";
  if (all.length > 0) return "lacks nothing else";
  return kind === "pool" ? "will start an agent" : "may take it";
}
