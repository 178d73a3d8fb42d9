// The titles of tasks by their ids, for pages that name tasks which nobody has read yet.

/** @param {import("../app/main.js").App} app */
export function createTitles(app) {
  /** @type {Set<string>} a task that is gone is not asked for again and again */
  const asked = new Set();
  return {
    /** The title, or nothing until it is read. @param {string} id @returns {string | undefined} */
    of(id) {
      const title = app.store.tasks.get(id)?.title;
      if (title === undefined && !asked.has(id)) {
        asked.add(id);
        app.store.refresh(id);
      }
      return title;
    },
  };
}
