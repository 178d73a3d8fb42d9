// The keyboard on the board: from card to card, and a focus that follows its task to another column.

import { isLost } from "../../app/focus.js";
import { moved } from "./columns.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Task} Task
 */

/**
 * @param {App} app
 * @param {() => Task[][]} groups the tasks of each column
 * @param {{reveal: (index: number) => void}[]} lists
 * @param {(place: number) => void} show a column, where only one is shown at a time
 */
export function createBoardKeys(app, groups, lists, show) {
  let at = { column: 0, index: -1, id: "", held: false };

  /** @param {string} key */
  function press(key) {
    if (!["j", "k", "h", "l"].includes(key)) return false;
    const columns = groups();
    if (at.id) find(at.id);
    go(
      moved(
        columns.map((each) => each.length),
        at,
        key,
      ),
    );
    return true;
  }

  /** Where a task stands now. @param {string} id */
  function find(id) {
    const columns = groups();
    for (const [column, tasks] of columns.entries()) {
      const index = tasks.findIndex((each) => each.id === id);
      if (index >= 0) return Object.assign(at, { column, index });
    }
    return null;
  }

  /** @param {{column: number, index: number}} to */
  function go({ column, index }) {
    const task = groups()[column]?.[index];
    if (!task) return;
    at = { column, index, id: task.id, held: true };
    show(column);
    lists[column]?.reveal(index);
    app.redraw();
    // The list draws what has come into sight with the frame after its scrolling.
    requestAnimationFrame(() => requestAnimationFrame(() => focusOn(task.id)));
  }

  /** @param {string} id */
  function focusOn(id) {
    const link = document.querySelector(`[data-task="${CSS.escape(id)}"]`);
    if (link instanceof HTMLElement) link.focus({ preventScroll: true });
    return link !== null;
  }

  /** Its card went away under the focus: into another column, or out of sight. */
  function restore() {
    if (!at.held || !isLost()) return;
    const { column, index } = at;
    if (focusOn(at.id) || find(at.id)?.column === column) return;
    const heir = groups()[column]?.[Math.min(index, (groups()[column]?.length ?? 0) - 1)];
    if (heir) focusOn(heir.id);
  }

  return {
    press,
    focus: {
      /** @param {string} id */
      focused(id) {
        at.id = id;
        at.held = true;
        find(id);
      },
      /** Left by its reader, and not because it went away. @param {string} id @param {HTMLElement} link */
      left(id, link) {
        queueMicrotask(() => {
          if (at.id === id && link.isConnected) at.held = false;
        });
      },
      /** @param {string} id */
      gone(id) {
        if (at.held && at.id === id) queueMicrotask(restore);
      },
    },
  };
}
