// The fleet: who may work, who works, where agents are started, and what to do when something there goes wrong.

import { h } from "../app/vdom.js";
import { icon } from "../parts/icons.js";
import { head } from "../parts/pieces.js";
import { accountsView, newAccount } from "./fleet/accounts.js";
import { poolsView } from "./fleet/pools.js";
import { createFleet } from "./fleet/reading.js";
import { agentsView, createWorkers } from "./fleet/workers.js";

/** @type {import("../app/router.js").PageMaker} */
export function page(app) {
  const fleet = createFleet(app);
  const workersView = createWorkers(app);
  return {
    title: () => "Fleet",
    view: () => [
      head(
        "Fleet",
        app.may("admin") &&
          h(
            "button",
            { type: "button", class: "primary", onclick: () => newAccount(app) },
            icon("plus"),
            "New account",
          ),
      ),
      accountsView(app),
      workersView(),
      agentsView(app, fleet),
      app.admin
        ? poolsView(app, fleet)
        : h("p", { class: "soft" }, "Pools and other accounts are shown to administrators."),
    ],
    hear: fleet.hear,
    reset: () => void fleet.read(),
    close: fleet.close,
  };
}
