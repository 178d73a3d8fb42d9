// The agents that ask for work, and the workers that are at it: what they do, and whether they are still heard.

import { now } from "../../app/clock.js";
import { h } from "../../app/vdom.js";
import { bar } from "../../parts/bars.js";
import { accountName, button, dollars, empty, part, table, when } from "../../parts/pieces.js";
import { badge, chip } from "../../parts/states.js";
import { agentHealth, workerHealth } from "../../text/health.js";
import { agentLine } from "./accounts.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Worker} Worker
 * @typedef {import("../../types.js").Agent} Agent
 * @typedef {import("../../text/health.js").Health} Health
 * @typedef {import("./reading.js").Fleet} Fleet
 */

const MORE = 50;

/** @param {App} app */
export function createWorkers(app) {
  let most = MORE;

  /** @param {Worker} worker */
  function cells(worker) {
    const title = app.store.task(worker.taskId)?.title ?? worker.name;
    return [
      h("a", { class: "task-link", href: `/tasks/${worker.taskId}` }, title),
      badge(worker.status),
      h(
        "div",
        { class: "meter short" },
        h("span", { class: "figure" }, `${worker.progress}%`),
        bar(worker.progress / 100, "Progress"),
      ),
      accountName(app, worker.accountId),
      chip(worker.runner),
      heard(workerHealth(worker, now()), worker.heartbeatAt),
      dollars(worker.costUsd),
      app.may("create") && buttons(app, worker, title),
    ];
  }

  return () => {
    const workers = app.store.live();
    return part(
      ["Live workers ", h("span", { class: "tally" }, workers.length)],
      null,
      workers.length
        ? table(
            "Live workers",
            ["Task", "Status", "Progress", "Account", "Runner", "Heard", "Cost", null],
            workers.slice(0, most).map((each) => ({ key: each.id, cells: cells(each) })),
          )
        : h("p", { class: "soft" }, "Nobody works on anything just now."),
      workers.length > most && button(`Show more (${workers.length - most} left)`, showMore),
    );
  };

  function showMore() {
    most += 2 * MORE;
    app.redraw();
  }
}

/** @param {App} app @param {Worker} worker @param {string} title */
function buttons(app, worker, title) {
  const paused = worker.status === "paused";
  return h(
    "div",
    { class: "row-actions" },
    paused
      ? button("Resume", () => told(app, worker, "start", "It goes on"))
      : h(
          "button",
          {
            type: "button",
            onclick: () => told(app, worker, "pause", "It pauses at its next heartbeat"),
          },
          "Pause",
        ),
    button("Stop", () => stopped(app, worker, title), "danger"),
  );
}

/** @param {App} app @param {Worker} worker @param {string} verb @param {string} done */
async function told(app, worker, verb, done) {
  const answer = await app.act(() => app.api.post(`/workers/${worker.id}/${verb}`), done);
  if (answer) app.store.workers.put(answer);
}

/** @param {App} app @param {Worker} worker @param {string} title */
async function stopped(app, worker, title) {
  const sure = await app.overlays.confirm({
    title: "Stop this attempt?",
    text: `“${title}” goes back to wait for another attempt, if it has one left. To end the task itself, cancel it on its page.`,
    action: "Stop worker",
    danger: true,
  });
  if (sure) await told(app, worker, "cancel", "The attempt is stopped");
}

/** @param {App} app @param {Fleet} fleet */
export function agentsView(app, fleet) {
  const workers = app.store.live();
  return part(
    ["Agents ", h("span", { class: "tally" }, fleet.agents.length)],
    null,
    fleet.agents.length
      ? table(
          "Agents",
          ["Agent", "Account", "Runner", "Can do", "Asked for", "Heard"],
          fleet.agents.map((each) => ({
            key: each.id,
            cells: agentCells(app, each, workers),
          })),
        )
      : fleet.loaded &&
          empty(app, {
            title: "No agent has asked for work within a week",
            text: "Run one on any machine that can reach this server, with the key of an account:",
            command: agentLine(),
          }),
  );
}

/** @param {App} app @param {Agent} agent @param {Worker[]} workers */
function agentCells(app, agent, workers) {
  return [
    h(
      "div",
      { class: "named" },
      h("b", null, agent.agentId),
      agent.draining && h("span", { class: "badge tone-ask" }, "draining"),
    ),
    accountName(app, agent.accountId),
    chip(agent.runner),
    agent.capabilities.length
      ? h(
          "div",
          { class: "chips" },
          agent.capabilities.map((each) => h("span", { key: each }, chip(each))),
        )
      : h("span", { class: "faint" }, "nothing in particular"),
    h("span", { class: "figure" }, agent.freeSlots === 1 ? "1 task" : `${agent.freeSlots} tasks`),
    heard(agentHealth(agent, workers, now()), agent.lastSeenAt),
  ];
}

const WORDS = { fresh: "", late: "late, ", silent: "silent, " };
const TONES = { fresh: "good", late: "ask", silent: "bad" };

/** @param {Health | null} health @param {string | null} at */
function heard(health, at) {
  if (health === null) return h("span", { class: "faint" }, "no lease");
  return h("span", { class: ["heard", `tone-${TONES[health]}`] }, WORDS[health], when(at));
}
