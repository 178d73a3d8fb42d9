// The small pieces that every page is made of: times, money, names, buttons, empty places, things to copy.

import { now } from "../app/clock.js";
import { h } from "../app/vdom.js";
import { exact, money, relative } from "../text/words.js";
import { icon } from "./icons.js";

/** @typedef {import("../app/vdom.js").Child} Child */
/** @typedef {import("../app/main.js").App} App */

/** A moment, told relative to now. @param {string | null | undefined} at */
export function when(at) {
  if (!at) return h("span", { class: "faint" }, "never");
  return h("time", { datetime: at, title: exact(at) }, relative(at, now()));
}

/** @param {string | number | null | undefined} amount US dollars */
export function dollars(amount) {
  return h("span", { class: "figure" }, money(amount ?? 0));
}

/** The name of an account, or its id where names are not ours to read. @param {App} app @param {string | null | undefined} id */
export function accountName(app, id) {
  return app.store.accounts.get(id)?.name ?? shortId(id);
}

/** @param {App} app @param {string | null | undefined} id */
export function workspaceName(app, id) {
  return app.store.workspaces.get(id)?.name ?? shortId(id);
}

/** A task by its title, or by its id until it is read. @param {App} app @param {string} id */
export function taskLink(app, id) {
  const title = app.store.task(id)?.title ?? `task ${shortId(id)}`;
  return h("a", { class: "task-link", href: `/tasks/${id}`, dir: "auto" }, title);
}

/** The end of an id, which is what differs. @param {string | null | undefined} id */
export function shortId(id) {
  return id ? `…${id.slice(-6)}` : "nobody";
}

/** @param {string} text @param {() => unknown} onclick @param {"primary" | "danger" | "quiet"} [kind] */
export function button(text, onclick, kind) {
  return h("button", { type: "button", class: kind, onclick }, text);
}

/**
 * A choice that holds at once.
 * @param {{label: string, value: string | undefined, options: string[][], choose: (value: string) => unknown,
 *   class?: string, disabled?: boolean}} choice `options` are values and their words
 */
export function select({ label, value = "", options, choose, ...props }) {
  return h(
    "select",
    {
      ...props,
      "aria-label": label,
      value,
      onchange: (/** @type {Event & {target: HTMLSelectElement}} */ { target }) =>
        choose(target.value),
    },
    options.map(([each, text]) => h("option", { key: each, value: each }, text)),
  );
}

/** Things to choose from, by their names. @param {{id: string, name: string}[]} things */
export function named(things) {
  return things.map(({ id, name }) => [id, name]);
}

/**
 * A part of a page: its name, what can be done there, and what stands in it.
 * @param {Child} title
 * @param {Child} action
 * @param {...Child} content
 */
export function part(title, action, ...content) {
  return h(
    "section",
    { class: "part" },
    h("header", { class: "part-head" }, h("h2", null, title), action),
    content,
  );
}

/**
 * Nothing here yet, and what to do about it.
 * @param {App} app
 * @param {{title: string, text?: string, command?: string | string[], action?: Child}} what
 */
export function empty(app, { title, text, command, action }) {
  return h(
    "div",
    { class: "empty" },
    h("h2", null, title),
    text && h("p", null, text),
    [command ?? []].flat().map((each) => copyable(app, each)),
    action,
  );
}

/** A command, and a button that copies it. @param {App} app @param {string} text @param {string} [label] */
export function copyable(app, text, label = "Copy") {
  return h(
    "div",
    { class: "copyable", key: text },
    h("code", { tabindex: "0" }, text),
    h(
      "button",
      {
        type: "button",
        class: "quiet",
        "aria-label": label,
        title: label,
        onclick: () => copied(app, text),
      },
      icon("copy"),
    ),
  );
}

/** @param {App} app @param {string} text */
async function copied(app, text) {
  try {
    await navigator.clipboard.writeText(text);
    app.overlays.toast("Copied");
  } catch {
    app.overlays.toast("The browser does not let this page copy: select the text instead", "error");
  }
}

/**
 * A table that scrolls by itself where the page is narrow.
 * @param {string} label
 * @param {(string | null)[]} heads null for a column of buttons
 * @param {{key: string, cells: Child[]}[]} rows
 */
export function table(label, heads, rows) {
  return h(
    "div",
    { class: "table", role: "region", "aria-label": label, tabindex: "0" },
    h(
      "table",
      null,
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          heads.map((head) =>
            h("th", { scope: "col" }, head ?? h("span", { class: "unseen" }, "Actions")),
          ),
        ),
      ),
      h(
        "tbody",
        null,
        rows.map(({ key, cells }) =>
          h(
            "tr",
            { key },
            cells.map((cell, column) => h("td", { "data-head": heads[column] }, cell)),
          ),
        ),
      ),
    ),
  );
}

/** The head of a page. @param {string} title @param {...Child} actions */
export function head(title, ...actions) {
  return h(
    "header",
    { class: "page-head" },
    h("h1", null, title),
    h("div", { class: "actions" }, actions),
  );
}

/** Names, and what they stand for; a pair that is not to be shown is false. @param {([string, Child] | false | null | undefined | "")[]} pairs */
export function facts(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs.map(
      (pair) => pair && h("div", { key: pair[0] }, h("dt", null, pair[0]), h("dd", null, pair[1])),
    ),
  );
}
