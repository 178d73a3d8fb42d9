// What the pages know: entities as the API tells them, kept true by events.
// An event says at once what it can; what it does not say is read again soon, many at a time.

import { ApiError } from "./api.js";
import { Collection, derived } from "./collection.js";

/**
 * @typedef {import("../types.js").Task} Task
 * @typedef {import("../types.js").Worker} Worker
 * @typedef {import("../types.js").Event} Event
 */

const PAUSE = 400; // Milliseconds in which what is to be read again is collected.
const RETRY = 5000; // Milliseconds after which what could not be read is asked for again.
const AT_ONCE = 100;
const MOST_TASKS = 20_000;
const MOST_WORKERS = 1000;
const OVER = new Set(["completed", "failed", "cancelled"]);

/**
 * @param {import("./api.js").Api} api
 * @param {() => void} changed called after each change
 * @param {() => boolean} isAdmin whether all accounts may be read; an account reads itself
 */
export function createStore(api, changed, isAdmin) {
  /** @type {Collection<Task>} */
  const tasks = new Collection();
  /** @type {Collection<Worker>} those that are not over, and those that a page has read */
  const workers = new Collection();
  const live = derived(workers, (newest) => newest.filter(isLive));
  const holders = derived(workers, () => new Map(live().map((each) => [each.taskId, each])));
  const store = {
    tasks,
    workers,
    /** @type {Collection<import("../types.js").Account>} */
    accounts: new Collection(),
    /** @type {Collection<import("../types.js").Workspace>} */
    workspaces: new Collection(),
    /** @type {Collection<import("../types.js").Pool>} */
    pools: new Collection(),
    /** @type {Collection<import("../types.js").Launch>} */
    launches: new Collection(),
    apply,
    /** A task, read soon if nobody has: one that is gone is not asked for again. @param {string} id */
    task(id) {
      const known = tasks.get(id);
      if (!known && !asked.has(id)) {
        asked.add(id);
        store.refresh(id);
      }
      return known;
    },
    /** Read these tasks soon, known or not. @param {...(string | null | undefined)} ids */
    refresh(...ids) {
      for (const id of ids) if (id) stale.tasks.add(id);
      again.soon();
    },
    /** The workers that are not over. */
    live,
    /** The live worker of a task. @param {string} taskId */
    workerOf: (taskId) => holders().get(taskId),
    /** Those who wait for a person's answer; about a budget the server asks, while they work or are paused. */
    questions: derived(workers, () => live().filter((each) => each.waitingFor !== null)),
    /** Tasks that wait for a person to vouch for their text. */
    approvals: derived(tasks, (newest) => newest.filter(needsApproval)),
    readAccounts: async () => store.accounts.replace(await visibleAccounts()),
    load: () => overtaken(load),
  };
  let stale = fresh();
  /** @type {Set<string>} ids that were asked for, and are not there yet or nowhere */
  const asked = new Set();
  /** @type {Set<Event[]>} what is heard while something is read */
  const hearing = new Set();
  const again = debounced(() => overtaken(read));

  async function visibleAccounts() {
    return isAdmin() ? api.all("/accounts") : [await api.get("/accounts/me")];
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
      visibleAccounts(),
      api.all("/workers", { open: true }),
      api.all("/tasks", { needsApproval: true }, 200),
    ]);
    asked.clear();
    store.workspaces.replace(workspaces);
    store.accounts.replace(accounts);
    store.workers.replace(workers);
    store.tasks.replace(approvals);
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
      store.tasks.put(newTask({ ...said, id: taskId, workspaceId, at }));
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
    if (!known && type === "worker:status" && isLive({ status })) {
      stale.workers = true;
      again.soon();
    }
    if (known && !isLive({ status })) forgetWorker(workerId);
    if (type !== "worker:cost" && type !== "worker:status") return;
    if (store.tasks.get(taskId)) store.refresh(taskId);
  }

  /** One that is over is shown by pages that read it themselves. @param {string | null | undefined} id */
  function forgetWorker(id) {
    if (store.workers.byId.size > MOST_WORKERS) store.workers.remove(id);
  }

  function forgetOldest() {
    const over = store.tasks.newest().filter((each) => OVER.has(each.status));
    for (const each of over.slice(-MOST_TASKS / 4)) store.tasks.remove(each.id);
  }

  async function read() {
    const ids = [...stale.tasks];
    const wanted = { ...stale, tasks: new Set(ids.slice(0, AT_ONCE)) };
    stale = { ...fresh(), tasks: new Set(ids.slice(AT_ONCE)) };
    try {
      await readThese(wanted);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.passes) putOff(wanted);
      return;
    }
    if (stale.tasks.size) again.soon();
    changed();
  }

  /** @param {typeof stale} wanted */
  async function readThese({ tasks: ids, workers: open, accounts, workspaces }) {
    const query = { ids: [...ids].join(","), limit: AT_ONCE };
    await Promise.all([
      ids.size && api.get("/tasks", query).then(putTasks),
      open && api.all("/workers", { open: true }).then((all) => workers.putAll(all)),
      accounts && store.readAccounts(),
      workspaces && api.all("/workspaces").then((all) => store.workspaces.replace(all)),
    ]);
  }

  /** No event tells of these again. @param {typeof stale} wanted */
  function putOff(wanted) {
    for (const id of wanted.tasks) stale.tasks.add(id);
    stale.workers ||= wanted.workers;
    stale.accounts ||= wanted.accounts;
    stale.workspaces ||= wanted.workspaces;
    again.soon(RETRY);
  }

  /** @param {Task[]} read */
  function putTasks(read) {
    for (const each of read) {
      asked.delete(each.id);
      const known = store.tasks.get(each.id);
      if (!known || known.updatedAt <= each.updatedAt) store.tasks.put(each);
    }
  }

  return store;
}

/** What is to be read again: nothing, at first. */
function fresh() {
  return {
    /** @type {Set<string>} */
    tasks: new Set(),
    workers: false,
    accounts: false,
    workspaces: false,
  };
}

/** Whether an attempt is not over. @param {{status: Worker["status"]}} worker */
export function isLive({ status }) {
  return status !== "completed" && status !== "error";
}

/** @param {Task} task */
export function needsApproval(task) {
  return task.trust === "public" && !task.approvedAt && task.status === "pending";
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
function newTask({ at, ...told }) {
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
    soon(pause = PAUSE) {
      if (waiting) return;
      waiting = true;
      setTimeout(() => {
        waiting = false;
        calling = calling.then(call).catch(console.error);
      }, pause);
    },
  };
}
