// What keeps a task waiting, as a sentence, and the command that changes it.

import { agentCommand, offers } from "./commands.js";
import { money } from "./words.js";

/**
 * @typedef {import("../types.js").Task} Task
 * @typedef {import("../types.js").Reason} Reason
 */

/** What no account could help: it is said once, for all of them. */
export const OF_THE_TASK = new Set(["not_ready", "not_yet", "not_approved"]);
const BUDGETS = new Set(["no_budget", "no_workspace_budget"]);
const COUNTED = new Set(["no_slot", "no_workspace_slot", "pool_full"]);

/** What the server says, with the figures. @param {Reason} reason @param {Task} task */
export function sentenceOf({ code, message, limit, current }, task) {
  const said = message.charAt(0).toUpperCase() + message.slice(1);
  const more = detail(code, limit, current, task);
  return `${said}${more && ` (${more})`}.`;
}

/**
 * @param {string} code
 * @param {number | null} limit
 * @param {number | null} current
 * @param {Task} task
 */
function detail(code, limit, current, task) {
  if (limit !== null && BUDGETS.has(code)) {
    const used = `${money(current)} of ${money(limit)} spent or set aside`;
    const left = Math.max(Number(task.maxCost) - Number(task.costUsd), 0);
    return task.maxCost === null ? used : `${used}, and it may cost ${money(left)}`;
  }
  if (limit !== null && COUNTED.has(code)) return `${current} of ${limit}`;
  if (code === "missing_capabilities") return task.requiredCapabilities.join(", ");
  return code === "wrong_route" ? `it is for ${task.runnerPreference} accounts` : "";
}

/**
 * The command that takes the hindrance away, or null where time or another task does.
 * @param {string} code
 * @param {{kind: "account" | "pool", id: string}} who
 * @param {Task} task
 */
export function remedy(code, { kind, id }, task) {
  const pool = kind === "pool";
  switch (code) {
    case "no_grant":
      return pool ? null : `buildd accounts grant ${id} ${task.workspaceId}`;
    case "wrong_route":
      return `buildd tasks update ${task.id} --runner any`;
    case "missing_capabilities":
      return pool
        ? `buildd pools update ${id}${offers(task.requiredCapabilities)}`
        : agentCommand(task.workspaceId, task.requiredCapabilities);
    case "draining":
      return pool ? null : `buildd accounts drain ${id} --undo`;
    case "no_slot":
      return pool ? null : `buildd accounts update ${id} --max-concurrent-workers …`;
    case "no_budget":
      return pool ? null : `buildd accounts update ${id} --max-cost-per-day …`;
    case "no_workspace_slot":
      return `buildd workspaces update ${task.workspaceId} --max-concurrent-workers …`;
    case "no_workspace_budget":
      return `buildd workspaces update ${task.workspaceId} --max-cost-per-day …`;
    case "pool_disabled":
      return `buildd pools update ${id} --enable`;
    case "pool_halted":
      return `buildd pools check ${id}`;
    case "pool_full":
      return `buildd pools update ${id} --maximum …`;
    default:
      return null;
  }
}
