// What stands around every page: where one can go, whether the feed lives, who needs a person.

import { icon } from "../parts/icons.js";
import { helped, PAGES } from "./keys.js";
import { h } from "./vdom.js";

/**
 * @typedef {import("./main.js").App} App
 * @typedef {import("./router.js").Page} Page
 */

const FEED = {
  connecting: "Connecting…",
  live: "Live",
  stale: "Not live: what you see may be old",
  ended: "Ended",
};

/**
 * @param {App} app
 * @param {Page | null} page
 * @param {string | null} failed
 */
export function shell(app, page, failed) {
  if (app.session === null) return [stage(app, page, failed), app.overlays.view()];
  return [
    h("a", { class: "skip", href: "#main" }, "Skip to the page"),
    h("div", { class: "house" }, side(app), stage(app, page, failed)),
    app.overlays.view(),
    app.lock.view(),
  ];
}

/** @param {App} app */
function side(app) {
  return h(
    "header",
    { class: "side" },
    h(
      "a",
      { class: "brand", href: "/", "aria-label": "buildd" },
      icon("mark"),
      h("b", null, "buildd"),
    ),
    pages(app),
    h(
      "div",
      { class: "side-foot" },
      h("p", { class: ["feed", app.status], role: "status" }, FEED[app.status]),
      actions(app),
    ),
  );
}

/** Where one can go. @param {App} app */
function pages(app) {
  const waiting = app.store.questions().length + app.store.approvals().length;
  return h(
    "nav",
    { "aria-label": "Pages" },
    PAGES.map(([key, path, name]) => {
      const here = app.route === name.toLowerCase() || (path === "/" && app.route === "task");
      return h(
        "a",
        { key: path, href: path, "aria-current": here ? "page" : null, title: `g ${key}` },
        icon(name.toLowerCase()),
        h("span", null, name),
        path === "/" &&
          waiting > 0 &&
          h("b", { class: "count", title: "wait for a person" }, waiting),
      );
    }),
  );
}

/** What one can do on every page. @param {App} app */
function actions(app) {
  return h(
    "div",
    { class: "side-actions" },
    h(
      "button",
      {
        class: "quiet",
        title: "Light or dark",
        "aria-label": themeLabel(),
        onclick: () => nextTheme(app),
      },
      icon(theme()),
    ),
    h(
      "button",
      { class: "quiet", title: "Keys (?)", "aria-label": "Keys", onclick: () => helped(app) },
      icon("keyboard"),
    ),
    h(
      "a",
      { class: "quiet button", href: "/api/docs", title: "The API", "aria-label": "The API" },
      icon("book"),
    ),
    // In local mode nobody has logged in, so nobody can log out.
    app.session?.expiresAt &&
      h(
        "button",
        { class: "quiet", title: "Log out", "aria-label": "Log out", onclick: app.signOut },
        icon("leave"),
      ),
  );
}

/**
 * @param {App} app
 * @param {Page | null} page
 * @param {string | null} failed
 */
function stage(app, page, failed) {
  return h(
    "main",
    { id: "main", tabindex: "-1", class: `page-${app.route}`, key: app.route },
    failed && trouble(failed),
    app.outdated && reload("There is a newer version of this page.", "Load it"),
    page ? page.view() : !failed && h("p", { class: "loading", role: "status" }, "Loading…"),
  );
}

/** @param {string} failed */
function trouble(failed) {
  return reload(`This page could not be loaded: ${failed}`, "Load it again", "error");
}

/** @param {string} text @param {string} action @param {string} [kind] */
function reload(text, action, kind = "") {
  return h(
    "div",
    { class: ["notice", kind], role: "alert" },
    h("p", null, text),
    h("button", { onclick: () => location.reload() }, action),
  );
}

function theme() {
  return document.documentElement.dataset.theme ?? "auto";
}

function themeLabel() {
  return `Colours: ${theme() === "auto" ? "as the system has them" : theme()}`;
}

/** @param {App} app */
function nextTheme(app) {
  const next = { auto: "light", light: "dark", dark: "auto" }[theme()] ?? "auto";
  if (next === "auto") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("theme");
  } else {
    document.documentElement.dataset.theme = next;
    localStorage.setItem("theme", next);
  }
  app.redraw();
}
