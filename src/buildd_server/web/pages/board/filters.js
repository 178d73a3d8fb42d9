// The board's filters. They stand in the address, so that a view can be sent to somebody else.

import { h } from "../../app/vdom.js";
import { button, named, select } from "../../parts/pieces.js";
import { ROUTES } from "../../text/routes.js";
import { filtersOf } from "./columns.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("./columns.js").Filters} Filters
 */

const PAUSE = 250; // Milliseconds after the last key.

/** @param {App} app */
export function createFilters(app) {
  let typed = filtersOf(app.query()).text;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer; // Only while somebody types: then the field is theirs.

  /** @param {Event} event */
  function oninput(event) {
    typed = /** @type {HTMLInputElement} */ (event.target).value;
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = undefined;
      app.setQuery({ text: typed.trim() });
    }, PAUSE);
  }

  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    if (event.key === "Escape") /** @type {HTMLElement} */ (event.target).blur();
  }

  function close() {
    clearTimeout(timer);
    timer = undefined;
  }

  function clear() {
    close();
    app.setQuery({ workspace: null, route: null, account: null, text: null });
  }

  /** @param {keyof Filters} name @param {string} value @param {string} all @param {string[][]} options */
  function choice(name, value, all, options) {
    return select({
      label: name.charAt(0).toUpperCase() + name.slice(1),
      class: value ? "set" : "",
      value,
      options: [["", all], ...options],
      choose: (chosen) => app.setQuery({ [name]: chosen }),
    });
  }

  return {
    clear,
    close,
    /** @param {Filters} filters */
    active: (filters) => Object.values(filters).some(Boolean),
    /** @param {Filters} filters */
    view(filters) {
      if (timer === undefined && typed.trim() !== filters.text) typed = filters.text;
      const workspaces = named(app.store.workspaces.newest());
      const accounts = named(app.store.accounts.newest());
      return h(
        "div",
        { class: "filters", role: "search" },
        h("input", {
          type: "search",
          class: filters.text ? "set" : "",
          "aria-label": "Text",
          placeholder: "Filter by text",
          title: "/",
          "data-key": "/",
          autocomplete: "off",
          value: typed,
          oninput,
          onkeydown,
        }),
        choice("workspace", filters.workspace, "All workspaces", workspaces),
        choice("route", filters.route, "All routes", ROUTES),
        accounts.length > 0 && choice("account", filters.account, "All accounts", accounts),
        Object.values(filters).some(Boolean) && button("Clear", clear, "quiet"),
      );
    },
  };
}
