// Settings: keys, grants, pools and hooks for administrators; for everybody, who they are and what they may.

import { h } from "../app/vdom.js";
import { createGrants } from "../parts/grants.js";
import { head } from "../parts/pieces.js";
import { createAbout } from "./settings/about.js";
import { createHooks } from "./settings/hooks.js";
import { createKeys } from "./settings/keys.js";
import { createPools } from "./settings/pools.js";

/** @typedef {{read: () => unknown, view: () => import("../app/vdom.js").Child, close?: () => void}} Tab */

/** @type {import("../app/router.js").PageMaker} */
export function page(app) {
  const about = createAbout(app);
  /** @type {Map<string, {name: string, tab: Tab}>} */
  const tabs = new Map();
  if (app.admin) {
    const grants = createGrants(app);
    tabs.set("keys", { name: "Keys", tab: createKeys(app) });
    tabs.set("grants", { name: "Grants", tab: { read: grants.read, view: grants.matrixView } });
    tabs.set("pools", { name: "Pools", tab: createPools(app) });
    tabs.set("hooks", { name: "Hooks", tab: createHooks(app) });
  }
  tabs.set("about", { name: "About", tab: about });
  const first = [...tabs.keys()][0] ?? "about";
  /** @type {Set<string>} */
  const begun = new Set();

  function chosen() {
    const wanted = app.query().tab ?? first;
    const id = tabs.has(wanted) ? wanted : first;
    const { tab } = /** @type {{tab: Tab}} */ (tabs.get(id));
    if (!begun.has(id)) {
      begun.add(id);
      queueMicrotask(tab.read);
    }
    return { id, tab };
  }

  return {
    title: () => "Settings",
    reset: () => void chosen().tab.read(),
    close() {
      for (const { tab } of tabs.values()) tab.close?.();
    },
    view() {
      const { id, tab } = chosen();
      return [
        head("Settings"),
        tabs.size > 1 &&
          h(
            "nav",
            { class: "tabs", "aria-label": "Settings" },
            [...tabs].map(([key, { name }]) =>
              h(
                "a",
                { key, href: `/settings?tab=${key}`, "aria-current": key === id ? "page" : null },
                name,
              ),
            ),
          ),
        h("div", { key: id, class: "tab" }, tab.view()),
      ];
    },
  };
}
