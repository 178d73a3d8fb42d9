// Choosing tasks by their titles: what a new task is to wait for.

import { h } from "../app/vdom.js";
import { icon } from "./icons.js";
import { badge } from "./states.js";

/**
 * @typedef {import("../app/main.js").App} App
 * @typedef {import("../types.js").Task} Task
 */

const SHOWN = 6;
const PAUSE = 250; // Milliseconds after the last key.

/**
 * @param {App} app
 * @param {() => string} workspace the one in which to look: a task waits for tasks of its own only
 */
export function createPicker(app, workspace) {
  /** @type {Task[]} */
  let picked = [];
  /** @type {Task[]} */
  let found = [];
  let text = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {Event} event */
  function oninput(event) {
    text = /** @type {HTMLInputElement} */ (event.target).value;
    clearTimeout(timer);
    timer = setTimeout(search, PAUSE);
    app.redraw();
  }

  async function search() {
    const asked = text.trim();
    const read = asked
      ? await app.act(() =>
          app.api.get("/tasks", { text: asked, workspaceId: workspace(), limit: 20 }),
        )
      : [];
    if (asked !== text.trim()) return;
    found = read ?? [];
    app.redraw();
  }

  /** @param {Task} task */
  function pick(task) {
    picked = [...picked, task];
    text = "";
    found = [];
    document.getElementById("field-dependsOn")?.focus();
    app.redraw();
  }

  /** @param {Task} task */
  function drop(task) {
    picked = picked.filter((each) => each !== task);
    document.getElementById("field-dependsOn")?.focus();
    app.redraw();
  }

  /** Enter takes the first that is found, and does not send the form. @param {KeyboardEvent} event */
  function onkeydown(event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const first = offered()[0];
    if (first) pick(first);
  }

  function offered() {
    const ids = new Set(picked.map(({ id }) => id));
    return found.filter(({ id }) => !ids.has(id)).slice(0, SHOWN);
  }

  return {
    picked: () => picked.map(({ id }) => id),
    view: () =>
      h(
        "div",
        { class: "field picker" },
        h("label", { for: "field-dependsOn" }, "Waits for"),
        picked.length > 0 &&
          h(
            "ul",
            { class: "picked" },
            picked.map((task) =>
              h(
                "li",
                { key: task.id },
                badge(task.status),
                h("span", { class: "cut", dir: "auto" }, task.title),
                h(
                  "button",
                  {
                    type: "button",
                    class: "quiet",
                    "aria-label": `Do not wait for ${task.title}`,
                    onclick: () => drop(task),
                  },
                  icon("cross"),
                ),
              ),
            ),
          ),
        h("input", {
          id: "field-dependsOn",
          type: "search",
          value: text,
          placeholder: "Search tasks by their text",
          autocomplete: "off",
          "aria-describedby": "field-dependsOn-hint",
          oninput,
          onkeydown,
        }),
        h(
          "ul",
          { class: "offered" },
          offered().map((task) =>
            h(
              "li",
              { key: task.id },
              h(
                "button",
                { type: "button", onclick: () => pick(task) },
                badge(task.status),
                h("span", { class: "cut", dir: "auto" }, task.title),
              ),
            ),
          ),
        ),
        h(
          "small",
          { id: "field-dependsOn-hint" },
          text && found.length === 0 ? "No such task." : "It is taken when all of these are done.",
        ),
      ),
  };
}
