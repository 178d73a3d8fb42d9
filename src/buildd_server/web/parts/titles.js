// The titles of tasks by their ids, for pages that show tasks which nobody has read: asked for many at a time.
// @ts-check

const PAUSE = 300; // Milliseconds in which ids are collected.
const AT_ONCE = 100;
const MOST = 10_000;

/** @param {import("../app/main.js").App} app */
export function createTitles(app) {
  /** @type {Map<string, string | null>} null for a task that is gone, or not ours to see */
  const known = new Map();
  /** @type {Set<string>} */
  const wanted = new Set();
  let waiting = false;

  async function ask() {
    waiting = false;
    const ids = [...wanted].slice(0, AT_ONCE);
    for (const id of ids) wanted.delete(id);
    try {
      const tasks = await app.api.get("/tasks", { ids: ids.join(","), limit: AT_ONCE });
      for (const id of ids) known.set(id, null);
      for (const { id, title } of tasks) known.set(id, title);
    } catch {
      // Whoever is drawn again asks again.
    }
    if (wanted.size > 0) soon();
    app.redraw();
  }

  function soon() {
    if (waiting) return;
    waiting = true;
    setTimeout(ask, PAUSE);
  }

  return {
    /** What somebody said of a task. @param {string} id @param {string} title */
    learn(id, title) {
      if (known.size > MOST) known.clear();
      known.set(id, title);
    },
    /**
     * The title; undefined while it is asked for, null if there is no such task.
     * @param {string} id
     * @returns {string | null | undefined}
     */
    of(id) {
      const title = app.store.tasks.get(id)?.title ?? known.get(id);
      if (title === undefined) {
        wanted.add(id);
        soon();
      }
      return title;
    },
  };
}
