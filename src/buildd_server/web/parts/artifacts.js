// What the attempts of a task have left behind for people to look at.
// @ts-check

import { h } from "../app/vdom.js";
import { visible } from "../text/visible.js";

/** @typedef {import("../types.js").Artifact} Artifact */

/**
 * @param {import("../app/main.js").App} app
 * @param {import("../types.js").Worker[]} workers the task's attempts
 */
export function createArtifacts(app, workers) {
  /** @type {Artifact[]} */
  let artifacts = [];

  async function load() {
    const found = await Promise.all(workers.map(({ id }) => app.api.all(`/workers/${id}/artifacts`)));
    artifacts = found.flat();
    app.redraw();
  }

  void app.act(load);
  return {
    view: () =>
      artifacts.map((each) =>
        h("article", { key: each.id }, h("h3", null, visible(each.title ?? each.type)), h("pre", null, visible(each.content ?? ""))),
      ),
    /** @param {import("../types.js").Event} event */
    hear(event) {
      if (event.type === "worker:artifact") void app.act(load);
    },
    reset: () => void app.act(load),
    close() {},
  };
}
