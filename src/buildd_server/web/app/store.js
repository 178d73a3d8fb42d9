// What the pages know: entities as the API tells them, kept true by events.
// An event says at once what it can; what it does not say is read again soon, many at a time.

import { Collection } from "./collection.js";

/**
 * @typedef {import("../types.js").Task} Task
 * @typedef {import("../types.js").Worker} Worker
 * @typedef {import("../types.js").Event} Event
 * @typedef {ReturnType<typeof createStore>} Store
 */

const PAUSE = 400; // Milliseconds in which what is to be read again is collected.
const AT_ONCE = 100;
const MOST_TASKS = 20_000;
const OVER = new Set(["completed", "failed", "cancelled"]);
const WORKER_OVER = new Set(["completed", "error"]);

/**
 * @param {ReturnType<typeof import("./api.js").createApi>} api
 * @param {() => void} changed called after each change
 */
export function createStore(api, changed) {
  const store = {
    /** @type {Collection<Task>} */
    tasks: new Collection(),
    /** @type {Collection<Worker>} those that are not over, and those that a page has read */
    workers: new Collection(),
    /** @type {Collection<import("../types.js").Account>} */
    accounts: new Collection(),
    /** @type {Collection<import("../types.js").Workspace>} */
    workspaces: new Collection(),
    /** @type {Collection<import("../types.js").Pool>} */
    pools: new Collection(),
    /** @type {Collection<import("../types.js").Launch>} */
    launches: new Collection(),
    changed,
    apply,
    /** Read these tasks soon, known or not. @param {...(string | null | undefined)} ids */
    refresh(...ids) {
      for (const id of ids) if (id) stale.tasks.add(id);
      again.soon();
    },
    /** The workers that are not over. */
    live: () => store.workers.newest().filter((each) => !WORKER_OVER.has(each.status)),
    /** The live worker of a task. @param {string} taskId */
    workerOf: (taskId) => holders().get(taskId),
    /** Those who wait for a person's answer; about a budget the server asks, while they work or are paused. */
    questions: () => store.live().filter((each) => each.waitingFor !== null),
    /** Tasks that wait for a person to vouch for their text. */
    approvals: () => store.tasks.newest().filter(needsApproval),
    load: () => overtaken(load),
  };
  const stale = {
    /** @type {Set<string>} */
    tasks: new Set(),
    workers: false,
    accounts: false,
    workspaces: false,
  };
  /** @type {Set<Event[]>} what is heard while something is read */
  const hearing = new Set();
  const again = debounced(() => overtaken(read));
  let held = { version: -1, map: /** @type {Map<string, Worker>} */ (new Map()) };

  function holders() {
    if (held.version !== store.workers.version)
      held = {
        version: store.workers.version,
        map: new Map(store.live().map((each) => [each.taskId, each])),
      };
    return held.map;
  }

  /**
   * Read something, and apply again what was heard meanwhile: an answer may be older than an event.
   * @param {() => Promise<void>} reading
   */
  async function overtaken(reading) {
    /** @type {Event[]} */
    const heard = [];
    hearing.add(heard);
    try {
      await reading();
    } finally {
      hearing.delete(heard);
    }
    for (const event of heard) take(event);
    if (heard.length > 0) changed();
  }

  /** Read what every page needs: at the start, and when events were missed. */
  async function load() {
    const [workspaces, accounts, workers, approvals] = await Promise.all([
      api.all("/workspaces"),
      allowed(api.all("/accounts")),
      api.all("/workers", { open: true }),
      api.all("/tasks", { needsApproval: true }, 200),
    ]);
    for (const each of [store.tasks, store.workers, store.workspaces, store.accounts]) each.clear();
    store.workspaces.putAll(workspaces);
    store.accounts.putAll(accounts);
    store.workers.putAll(workers);
    store.tasks.putAll(approvals);
    changed();
  }

  /** @param {Event} event */
  function apply(event) {
    for (const each of hearing) each.push(event);
    take(event);
    changed();
  }

  /** @param {Event} event */
  function take(event) {
    const { type, data } = event;
    if (type.startsWith("task:")) taskEvent(event);
    else if (type.startsWith("worker:")) workerEvent(event);
    else if (type === "account:updated") stale.accounts = true;
    else if (type === "workspace:updated") stale.workspaces = true;
    else if (type === "launch:updated") {
      const launch = /** @type {any} */ (data);
      store.launches.amend(launch.launchId, { status: launch.status, detail: launch.detail });
    }
    if (stale.accounts || stale.workspaces) again.soon();
  }

  /** @param {Event} event */
  function taskEvent({ type, taskId, accountId, workspaceId, at, data }) {
    const told = /** @type {any} */ (data);
    if (!taskId) return;
    if (told.deleted) return store.tasks.remove(taskId);
    const { title, status, runnerPreference, requiredCapabilities } = told;
    const said = given({ title, status, runnerPreference, requiredCapabilities });
    const known = store.tasks.amend(taskId, {
      ...said,
      ...(type === "task:cancelled" ? { status: "cancelled" } : {}),
      claimedBy: accountId ?? null,
      updatedAt: at,
    });
    if (!known && type === "task:created")
      store.tasks.put(fresh({ ...said, id: taskId, workspaceId, at }));
    if (store.tasks.byId.size > MOST_TASKS) forgetOldest();
    if (store.tasks.get(taskId)) store.refresh(taskId);
  }

  /** @param {Event} event */
  function workerEvent({ type, workerId, taskId, at, data }) {
    const told = /** @type {any} */ (data);
    const { status, progress, turns, costUsd, waitingFor, error, errorCode } = told;
    const said = given({ progress, turns, costUsd, waitingFor, error, errorCode });
    if (type === "worker:status") {
      said.status = status;
      if (status !== "waiting_input" && status !== "paused") said.waitingFor = null;
    }
    if (type === "worker:waiting" && waitingFor.code === null) said.status = "waiting_input";
    const known = store.workers.amend(workerId, { ...said, updatedAt: at });
    if (!known && type === "worker:status" && !WORKER_OVER.has(status)) {
      stale.workers = true;
      again.soon();
    }
    if (known && WORKER_OVER.has(status)) forgetWorker(workerId);
    if (type !== "worker:cost" && type !== "worker:status") return;
    if (store.tasks.get(taskId)) store.refresh(taskId);
  }

  /** One that is over is shown by pages that read it themselves. @param {string | null | undefined} id */
  function forgetWorker(id) {
    if (store.workers.byId.size > 1000) store.workers.remove(id);
  }

  function forgetOldest() {
    const over = store.tasks.newest().filter((each) => OVER.has(each.status));
    for (const each of over.slice(-MOST_TASKS / 4)) store.tasks.remove(each.id);
  }

  async function read() {
    const wanted = [...stale.tasks];
    const ids = wanted.slice(0, AT_ONCE);
    stale.tasks = new Set(wanted.slice(AT_ONCE));
    const { workers, accounts, workspaces } = stale;
    Object.assign(stale, { workers: false, accounts: false, workspaces: false });
    await Promise.all([
      ids.length && api.get("/tasks", { ids: ids.join(","), limit: AT_ONCE }).then(putTasks),
      workers && api.all("/workers", { open: true }).then((all) => store.workers.putAll(all)),
      accounts && allowed(api.all("/accounts")).then((all) => store.accounts.putAll(all)),
      workspaces && api.all("/workspaces").then((all) => store.workspaces.putAll(all)),
    ]);
    if (stale.tasks.size) again.soon();
    changed();
  }

  /** @param {Task[]} read */
  function putTasks(read) {
    for (const each of read) {
      const known = store.tasks.get(each.id);
      if (!known || known.updatedAt <= each.updatedAt) store.tasks.put(each);
    }
  }

  return store;
}

/** @param {Task} task */
export function needsApproval(task) {
  return task.trust === "public" && !task.approvedAt && task.status === "pending";
}

/**
 * A list that only some may read, or nothing.
 * @param {Promise<any[]>} reading
 */
export async function allowed(reading) {
  try {
    return await reading;
  } catch (error) {
    if (/** @type {any} */ (error).status === 403) return [];
    throw error;
  }
}

/**
 * Without what is undefined.
 * @param {Record<string, any>} fields
 * @returns {Record<string, any>}
 */
function given(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/**
 * What an event tells of a task just created, until it is read.
 * @param {Record<string, any>} told
 * @returns {any}
 */
function fresh({ at, ...told }) {
  return {
    priority: 0,
    dependsOn: [],
    context: {},
    attempt: 0,
    maxAttempts: 3,
    costUsd: 0,
    trust: "internal",
    createdAt: at,
    updatedAt: at,
    ...told,
  };
}

/**
 * Calls at most once per pause, and one call after the other.
 * @param {() => Promise<void>} call
 */
function debounced(call) {
  let waiting = false;
  let calling = Promise.resolve();
  return {
    soon() {
      if (waiting) return;
      waiting = true;
      setTimeout(() => {
        waiting = false;
        // The stream tells when the server is away; after that, all is read anew.
        calling = calling.then(call).catch(() => {});
      }, PAUSE);
    },
  };
}
