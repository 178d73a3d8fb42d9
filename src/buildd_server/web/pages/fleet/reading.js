// What the page of the fleet knows beyond the store: read at the start, on the events that tell of it, and
// every few seconds while it is looked at, because a heartbeat is no event.

import { ApiError } from "../../app/api.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Agent} Agent
 * @typedef {ReturnType<typeof createFleet>} Fleet
 */

const EVERY = 10_000;
const SOON = 1000;

/** @param {App} app */
export function createFleet(app) {
  const fleet = {
    /** @type {Agent[]} */
    agents: [],
    loaded: false,
    /** @param {import("../../types.js").Event} event */
    hear({ type }) {
      if (type === "launch:updated") soon();
    },
    read: () => read().catch(ignored),
    close,
  };
  let waiting = 0;
  const rounds = setInterval(() => document.hidden || fleet.read(), EVERY);
  const looked = () => document.hidden || fleet.read();
  document.addEventListener("visibilitychange", looked);
  void app.act(read);

  async function read() {
    const { api, store } = app;
    const { admin } = app;
    const [agents, workers, pools, launches] = await Promise.all([
      api.all("/agents"),
      api.all("/workers", { open: true }),
      admin ? api.all("/pools") : [],
      admin ? api.all("/launches", { open: true }) : [],
      store.readAccounts(),
    ]);
    fleet.agents = agents;
    store.workers.putAll(workers);
    store.pools.replace(pools);
    store.launches.replace(launches);
    fleet.loaded = true;
    app.redraw();
  }

  function soon() {
    waiting ||= window.setTimeout(() => {
      waiting = 0;
      void fleet.read();
    }, SOON);
  }

  function close() {
    clearInterval(rounds);
    clearTimeout(waiting);
    document.removeEventListener("visibilitychange", looked);
  }

  return fleet;
}

/** The feed tells when the server is away. @param {unknown} error */
function ignored(error) {
  if (!(error instanceof ApiError)) throw error;
}
