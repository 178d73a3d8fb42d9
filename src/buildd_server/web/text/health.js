// How alive a worker, an agent and a pool are, from what the server knows of them. Pure, for tests.

/**
 * @typedef {import("../types.js").Worker} Worker
 * @typedef {import("../types.js").Agent} Agent
 * @typedef {import("../types.js").Pool} Pool
 * @typedef {"fresh" | "late" | "silent"} Health
 * @typedef {{tone: string, word: string, trouble?: string, fix?: string}} PoolHealth
 */

const JITTER = 1.1; // Agents spread their heartbeats by a tenth,
const ROAD = 2; // and a heartbeat takes a moment to be seen here. Seconds.
const ASKS = 75; // An agent without work asks for it every 50 seconds.
const COUNTS = 120; // So long the server counts on an agent that asked.

/**
 * A worker by its own lease, a third of whose life is the time between two heartbeats. One that is put
 * aside has no lease, and needs no agent.
 * @param {Worker} worker
 * @param {number} now milliseconds
 * @returns {Health | null}
 */
export function workerHealth({ status, heartbeatAt, leaseExpiresAt }, now) {
  if (status === "paused" || !heartbeatAt || !leaseExpiresAt) return null;
  const heard = Date.parse(heartbeatAt);
  const ends = Date.parse(leaseExpiresAt);
  if (now <= heard + ((ends - heard) / 3) * JITTER + ROAD * 1000) return "fresh";
  return now < ends ? "late" : "silent";
}

/**
 * An agent by when it last asked for work; one whose slots are full does not ask, but its workers are heard.
 * @param {Agent} agent
 * @param {Worker[]} workers of its account
 * @param {number} now milliseconds
 * @returns {Health}
 */
export function agentHealth(agent, workers, now) {
  const silence = (now - Date.parse(agent.lastSeenAt)) / 1000;
  if (silence <= ASKS) return "fresh";
  const works = workers.some(
    (each) =>
      each.accountId === agent.accountId &&
      each.runner === agent.runner &&
      (each.heartbeatAt ?? "") >= agent.lastSeenAt &&
      workerHealth(each, now) === "fresh",
  );
  if (works) return "fresh";
  return silence <= COUNTS ? "late" : "silent";
}

/**
 * @param {Pool} pool
 * @param {number} now milliseconds
 * @returns {PoolHealth}
 */
export function poolHealth(pool, now) {
  const trouble = pool.lastError ?? undefined;
  if (!pool.enabled)
    return { tone: "mute", word: "disabled", ...told(trouble, "Enable it in Settings, Pools.") };
  if (pool.halted)
    return {
      tone: "bad",
      word: "stopped",
      ...told(trouble, "Mend what it says, then check the pool: a check that passes ends this."),
    };
  if (pool.retryAt && Date.parse(pool.retryAt) > now)
    return {
      tone: "ask",
      word: "waits",
      ...told(
        trouble ?? "Its last agents ended without having taken work.",
        "It tries again by itself. A check that passes, or any change of it, lets it try at once.",
      ),
    };
  if (pool.openLaunches >= pool.maximum) return { tone: "busy", word: "full" };
  return {
    tone: "good",
    word: "ready",
    ...told(trouble, "It was the last trouble; nothing is to be done."),
  };
}

/** @param {string | undefined} trouble @param {string} fix */
function told(trouble, fix) {
  return trouble ? { trouble, fix } : {};
}

/**
 * Lists by what their entries have in common, in the order of its names.
 * @template T
 * @param {T[]} entries
 * @param {(entry: T) => string} name
 * @returns {[string, T[]][]}
 */
export function grouped(entries, name) {
  /** @type {Map<string, T[]>} */
  const groups = new Map();
  for (const each of entries) {
    const group = groups.get(name(each));
    if (group) group.push(each);
    else groups.set(name(each), [each]);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}
