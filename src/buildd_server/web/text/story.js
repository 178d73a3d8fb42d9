// The story of a task: what happened to it and when, told from records where there are any and from
// events where nothing else remembers (pauses, questions, edits).

import { asksBudget } from "./questions.js";

/**
 * @typedef {import("../types.js").Task} Task
 * @typedef {import("../types.js").Worker} Worker
 * @typedef {import("../types.js").Event} Event
 * @typedef {import("../types.js").Message} Message
 * @typedef {{key: string, at: string, title: string, tone: string, sign: string, text?: string,
 *   code?: string, worker?: Worker, attempt?: number, cost?: number, turns?: number,
 *   by?: string, artifactId?: string, faint?: boolean}} Step
 * @typedef {{task: Task, workers: Worker[], events: Event[], answers: Message[]}} Records
 */

/** @type {Record<string, string>} Why an attempt ended in `error`, where buildd itself ended it. */
const ENDINGS = {
  failed: "Failed",
  cancelled: "Stopped",
  released: "Handed back",
  lease_lost: "Lost: its agent was no longer heard",
  timeout: "Out of time",
  budget_exhausted: "Stopped at its budget",
};

/** The types of event of which a story is told. */
export const TOLD = /** @type {const} */ ([
  "task:created",
  "task:updated",
  "task:cancelled",
  "worker:status",
  "worker:waiting",
  "worker:artifact",
  "worker:comment",
]);

/**
 * What happened, the first thing first.
 * @param {Records} records `workers` are the attempts, the first one first
 * @returns {Step[]}
 */
export function storyOf(records) {
  const { task, workers, events } = records;
  const steps = [...ofTask(task), ...workers.flatMap(ofAttempt)];
  const asked = new Map();
  for (const event of events) {
    const step = ofEvent(event, records, asked);
    if (step) steps.push(step);
  }
  for (const [index, worker] of workers.entries()) {
    const open = worker.waitingFor && !asked.has(worker.id);
    if (open)
      steps.push(question(worker, index + 1, worker.updatedAt, worker.waitingFor?.prompt ?? ""));
  }
  return inOrder(steps);
}

/**
 * Known events and others, each once, in the order in which they happened.
 * @param {Event[]} known
 * @param {Event[]} others
 */
export function mergeEvents(known, others) {
  const last = known.at(-1)?.seq ?? -1;
  if (others.every(({ seq }, at) => seq > (others[at - 1]?.seq ?? last)))
    return [...known, ...others];
  const bySeq = new Map([...known, ...others].map((each) => [each.seq, each]));
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
}

/** Steps of one moment stay as they are told. @param {Step[]} steps */
function inOrder(steps) {
  const moments = new Map(steps.map((each) => [each, Date.parse(each.at)]));
  return steps
    .map((step, index) => ({ step, index }))
    .sort(
      (a, b) =>
        (moments.get(a.step) ?? 0) - (moments.get(b.step) ?? 0) ||
        rank(a.step) - rank(b.step) ||
        a.index - b.index,
    )
    .map(({ step }) => step)
    .reduce(gathered, /** @type {Step[]} */ ([]));
}

/** One edit after the other is one thing to read. @param {Step[]} told @param {Step} step */
function gathered(told, step) {
  const last = told.at(-1);
  if (step.title !== "Changed" || last?.title !== "Changed") told.push(step);
  else told[told.length - 1] = { ...last, at: step.at };
  return told;
}

/** At one moment, an attempt ends before the task goes on. @param {Step} step */
function rank({ key }) {
  return key.startsWith("task:") ? 1 : 0;
}

/** @param {Task} task @returns {Step[]} */
function ofTask(task) {
  const made = { key: "created", at: task.createdAt, title: "Created", tone: "calm", sign: "plus" };
  if (!task.approvedAt) return [made];
  const by = task.approvedBy ? { by: task.approvedBy } : {};
  return [
    made,
    {
      key: "approved",
      at: task.approvedAt,
      title: "Approved",
      tone: "good",
      sign: "shield",
      ...by,
    },
  ];
}

/** @param {Worker} worker @param {number} index @returns {Step[]} */
function ofAttempt(worker, index) {
  const base = { worker, attempt: index + 1 };
  /** @type {Step[]} */
  const steps = [
    {
      ...base,
      key: `claimed:${worker.id}`,
      at: worker.createdAt,
      title: "Claimed",
      tone: "calm",
      sign: "clock",
    },
  ];
  if (worker.startedAt)
    steps.push({
      ...base,
      key: `started:${worker.id}`,
      at: worker.startedAt,
      title: "Started",
      tone: "busy",
      sign: "play",
    });
  if (worker.completedAt) steps.push(ending(worker, index + 1, worker.completedAt));
  return steps;
}

/** @param {Worker} worker @param {number} attempt @param {string} at @returns {Step} */
function ending(worker, attempt, at) {
  const sums = { cost: worker.costUsd, turns: worker.turns };
  const base = { worker, attempt, key: `ended:${worker.id}`, at, ...sums };
  if (worker.status === "completed")
    return { ...base, title: "Completed", tone: "good", sign: "check" };
  const code = worker.errorCode ?? "failed";
  const byPerson = code === "released" || code === "cancelled";
  return {
    ...base,
    title: ENDINGS[code] ?? "Failed",
    tone: byPerson ? "mute" : "bad",
    sign: "cross",
    ...(code in ENDINGS ? {} : { code }),
    ...(worker.error ? { text: worker.error } : {}),
  };
}

/**
 * @param {Event} event
 * @param {Records} records
 * @param {Map<string, string>} asked the last question of each worker that has no answer yet
 * @returns {Step | null}
 */
function ofEvent(event, records, asked) {
  if (event.type.startsWith("task:")) return ofTaskEvent(event, records.task);
  const index = records.workers.findIndex(({ id }) => id === event.workerId);
  const worker = records.workers[index];
  if (!worker) return null;
  const data = /** @type {any} */ (event.data);
  const base = { key: `event:${event.seq}`, at: event.at, worker, attempt: index + 1 };
  switch (event.type) {
    case "worker:waiting":
      asked.set(worker.id, data.waitingFor?.prompt ?? "");
      return {
        ...question(worker, index + 1, event.at, data.waitingFor?.prompt ?? ""),
        ...ofBudget(data.waitingFor),
        key: base.key,
      };
    case "worker:status":
      return ofStatus(base, data, records.answers, asked);
    case "worker:artifact":
      return {
        ...base,
        title: "Artifact",
        text: data.title ?? data.type,
        artifactId: data.artifactId,
        tone: "busy",
        sign: "file",
      };
    case "worker:comment":
      return {
        ...base,
        title: data.resolved ? "Comment resolved" : "Comment",
        text: data.content,
        tone: "calm",
        sign: "ask",
      };
    default:
      return null;
  }
}

/** @param {Worker} worker @param {number} attempt @param {string} at @param {string} text @returns {Step} */
function question(worker, attempt, at, text) {
  return {
    key: `asked:${worker.id}`,
    at,
    worker,
    attempt,
    title: "Asked",
    text,
    tone: "ask",
    sign: "ask",
  };
}

/**
 * @param {{key: string, at: string, worker: Worker, attempt: number}} base
 * @param {{status: string, previousStatus: string | null, orders?: string[]}} data
 * @param {Message[]} answers
 * @param {Map<string, string>} asked
 * @returns {Step | null}
 */
function ofStatus(base, { status, previousStatus, orders }, answers, asked) {
  if (orders?.includes("pause"))
    return { ...base, title: "Asked to pause", tone: "mute", sign: "pause", faint: true };
  if (status === "paused") return { ...base, title: "Paused", tone: "mute", sign: "pause" };
  if (previousStatus === "paused" && status === "starting") {
    asked.delete(base.worker.id);
    return { ...base, title: "Taken up again", tone: "busy", sign: "play" };
  }
  const budget = previousStatus === status && asked.has(base.worker.id);
  const answered = previousStatus === "waiting_input" && status === "running";
  if (!answered && !budget) return null;
  asked.delete(base.worker.id);
  const said = answers.find(
    (each) => each.workerId === base.worker.id && each.createdAt === base.at,
  );
  return {
    ...base,
    title: budget ? "Allowed to go on" : "Answered",
    tone: "good",
    sign: "check",
    ...(said ? { text: said.content ?? "" } : {}),
  };
}

/** @param {Event} event @param {Task} task @returns {Step | null} */
function ofTaskEvent({ seq, type, at, data }, task) {
  const { status, previousStatus } = /** @type {any} */ (data);
  const base = { key: `task:${seq}`, at };
  if (type === "task:created") return null;
  if (type === "task:cancelled")
    return { ...base, title: "Cancelled", tone: "mute", sign: "cross" };
  if (previousStatus === status)
    return status === "pending" && at !== task.approvedAt
      ? { ...base, title: "Changed", tone: "calm", sign: "file", faint: true }
      : null;
  if (status === "pending")
    return previousStatus === "failed" || previousStatus === "cancelled"
      ? { ...base, title: "Retried", tone: "calm", sign: "retry" }
      : { ...base, title: "Waits for another attempt", tone: "calm", sign: "clock", faint: true };
  if (status === "failed") {
    const why = task.status === "failed" && task.error ? { text: task.error } : {};
    return { ...base, title: "The task failed", tone: "bad", sign: "cross", ...why };
  }
  return null;
}

/** What the server itself asks. @param {import("../types.js").WaitingFor | undefined} asked */
function ofBudget(asked) {
  return asksBudget(asked) ? { title: "Budget used up", sign: "coin" } : {};
}
