// The board: what needs a person first, and all tasks by how they stand, live.

import { h } from "../app/vdom.js";
import { icon } from "../parts/icons.js";
import { button, empty } from "../parts/pieces.js";
import { openTaskForm } from "../parts/task-form.js";
import { createVirtual } from "../parts/virtual.js";
import { agentCommand, CREATE_ACCOUNT, CREATE_WORKSPACE } from "../text/commands.js";
import { count } from "../text/words.js";
import { createAttention } from "./board/attention.js";
import { createCards } from "./board/card.js";
import { COLUMNS } from "./board/columns.js";
import { createFilters } from "./board/filters.js";
import { createBoardKeys } from "./board/keys.js";
import { createLanes } from "./board/lanes.js";

/**
 * @typedef {import("../app/main.js").App} App
 * @typedef {import("../types.js").Task} Task
 */

const CARD = 7; // A card and the space below it, in rem.

/** @type {ReturnType<typeof createBoard> | null} The board as its reader left it. */
let left = null;

/** @type {import("../app/router.js").PageMaker} */
export function page(app) {
  if (left) left.lanes.again();
  left ??= createBoard(app);
  return { title: () => "Board", ...left.page };
}

/** @param {App} app */
function createBoard(app) {
  const lanes = createLanes(app);
  const filters = createFilters(app);
  const attention = createAttention(app);
  const height = CARD * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  const lists = COLUMNS.map((_, place) =>
    createVirtual(app.redraw, { height, near: () => lanes.more(place), nameOf: (task) => task.id }),
  );
  const keys = createBoardKeys(app, lanes.groups, lists, (place) => {
    tab = place;
  });
  const card = createCards(app, keys.focus);
  let tab = 0;

  async function create() {
    await openTaskForm(app, lanes.filters.workspace);
  }

  function view() {
    lanes.filter(app.query());
    return [
      h(
        "header",
        { class: "page-head board-head" },
        h("h1", null, "Board"),
        filters.view(lanes.filters),
        app.may("create") &&
          app.store.workspaces.byId.size > 0 &&
          h(
            "button",
            { type: "button", class: "primary", title: "c", "data-key": "c", onclick: create },
            icon("plus"),
            "New task",
          ),
      ),
      attention.view(lanes.filters),
      hollow() ?? [tabs(), columns()],
    ];
  }

  /** What to do first, where there is nothing to show. */
  function hollow() {
    if (app.store.workspaces.byId.size === 0) return noWorkspace(app);
    const some = COLUMNS.some((_, place) => lanes.total(place).number > 0);
    if (some || !lanes.ready) return null;
    if (filters.active(lanes.filters))
      return empty(app, {
        title: "No task matches these filters",
        action: button("Clear the filters", filters.clear),
      });
    return noTask(app, create);
  }

  function tabs() {
    return h(
      "div",
      { class: "board-tabs", role: "group", "aria-label": "Columns" },
      COLUMNS.map(({ name, title }, place) =>
        h(
          "button",
          {
            type: "button",
            key: name,
            "aria-pressed": String(tab === place),
            onclick() {
              tab = place;
              app.redraw();
            },
          },
          title,
          h("b", null, total(place)),
        ),
      ),
    );
  }

  function columns() {
    const groups = lanes.groups();
    return h(
      "div",
      { class: "columns" },
      COLUMNS.map(({ name, title, none }, place) =>
        h(
          "section",
          {
            key: name,
            class: ["column", `column-${name}`, tab === place && "chosen"],
            "aria-labelledby": `column-${name}`,
          },
          h("h2", { id: `column-${name}` }, title, h("span", { class: "figure" }, total(place))),
          list(place, groups[place] ?? [], title, none),
        ),
      ),
    );
  }

  /** @param {number} place @param {Task[]} tasks @param {string} title @param {string} none */
  function list(place, tasks, title, none) {
    const idle = tasks.length === 0 && lanes.ready;
    return [
      idle &&
        h(
          "div",
          { class: "column-none", key: "none" },
          place === 1 ? noAgent(app, lanes, none) : h("p", null, none),
        ),
      lists[place]?.view(tasks, card, {
        key: "list",
        role: "list",
        "aria-label": title,
        class: idle ? "hollow" : "",
        tabindex: tasks.length ? "0" : "-1",
      }),
    ];
  }

  /** @param {number} place */
  function total(place) {
    const { number, exact } = lanes.total(place);
    return exact ? count(number) : number > 0 ? `${count(number)}+` : "";
  }

  return {
    lanes,
    page: { view, hear: lanes.hear, reset: lanes.again, press: keys.press, close: filters.close },
  };
}

/** @param {App} app */
function noWorkspace(app) {
  return empty(app, {
    title: "No workspace yet",
    text: "A workspace is a repository with its tasks. An administrator makes one:",
    command: CREATE_WORKSPACE,
    action: app.admin && h("a", { href: "/workspaces", class: "button" }, "Make one here"),
  });
}

/** @param {App} app @param {() => void} create */
function noTask(app, create) {
  const workspace = app.store.workspaces.newest()[0];
  return empty(app, {
    title: "No task yet",
    text: "Put in a piece of work, here or from a terminal:",
    command: `buildd tasks create "Fix the flaky login test" --workspace ${workspace?.id}`,
    action: app.may("create") && button("New task", create, "primary"),
  });
}

/**
 * @param {App} app
 * @param {ReturnType<typeof createLanes>} lanes
 * @param {string} none
 */
function noAgent(app, lanes, none) {
  const task = lanes.groups()[0]?.[0];
  if (!task) return h("p", null, none);
  const account = app.admin && app.store.accounts.byId.size === 0;
  return empty(app, {
    title: none,
    text: account
      ? "Agents work with the key of an account. Make one, and start an agent with its key:"
      : "If no agent runs yet, start one with the key of an account:",
    command: [
      ...(account ? [CREATE_ACCOUNT, `buildd accounts grant acc_… ${task.workspaceId}`] : []),
      agentCommand(task.workspaceId, task.requiredCapabilities),
    ],
  });
}
