// What the attempts of a task have left behind for people to look at, the newest first.

import { isLive } from "../../app/store.js";
import { h } from "../../app/vdom.js";
import { newestFirst, openAtFirst } from "../../text/artifact-kinds.js";
import { createArtifact } from "./artifact.js";

/**
 * @typedef {import("../../types.js").Worker} Worker
 * @typedef {import("./artifact.js").ArtifactPart} ArtifactPart
 */

/**
 * @param {import("../../app/main.js").App} app
 * @param {Worker[]} workers the task's attempts, the first one first; it may grow later
 */
export function createArtifacts(app, workers) {
  /** @type {Map<string, ArtifactPart>} */
  const parts = new Map();
  /** @type {Map<string, boolean>} what people have opened and folded */
  const chosen = new Map();
  /** @type {ArtifactPart[]} */
  let shown = [];
  let loaded = false;

  /** @param {import("../../types.js").Artifact[]} artifacts */
  function put(artifacts) {
    for (const each of artifacts)
      if (!parts.has(each.id))
        parts.set(
          each.id,
          createArtifact(app, each, () => isAlive(each.workerId)),
        );
    const all = [...parts.values()].map(({ artifact }) => artifact);
    const order = newestFirst(
      all,
      workers.map(({ id }) => id),
    );
    const open = openAtFirst(order);
    // What somebody looks at must not fold by itself because something new has come.
    for (const id of open) if (!chosen.has(id)) chosen.set(id, true);
    shown = order.map(({ id }) => /** @type {ArtifactPart} */ (parts.get(id)));
    app.redraw();
  }

  async function load() {
    const known = [...workers];
    const found = await Promise.all(known.map(({ id }) => app.api.all(`/workers/${id}/artifacts`)));
    loaded = true;
    put(found.flat());
  }

  /** @param {string} workerId */
  function isAlive(workerId) {
    const worker = app.store.workers.get(workerId) ?? workers.find(({ id }) => id === workerId);
    return worker !== undefined && isLive(worker);
  }

  /** @param {ArtifactPart} part */
  function partView(part) {
    const { id, workerId } = part.artifact;
    const open = chosen.get(id) ?? false;
    const attempt = workers.length > 1 ? workers.findIndex((each) => each.id === workerId) + 1 : 0;
    return part.view(attempt, open, () => {
      chosen.set(id, !open);
      app.redraw();
    });
  }

  void app.act(load);
  return {
    /** How many there are. */
    get count() {
      return parts.size;
    },
    view() {
      if (shown.length > 0) return h("div", { class: "artifacts" }, shown.map(partView));
      return (
        loaded &&
        h(
          "p",
          { class: "unsaid" },
          "No artifact yet: plans, diffs and files of the agent appear here.",
        )
      );
    },
    /** @param {import("../../types.js").Event} event */
    hear(event) {
      for (const part of parts.values()) part.hear(event);
      const id = event.type === "worker:artifact" && event.data.artifactId;
      if (id && workers.some((each) => each.id === event.workerId))
        void app.act(async () => put([await app.api.get(`/artifacts/${id}`)]));
    },
    reset() {
      void app.act(load);
      for (const part of parts.values()) part.reset();
    },
    close() {
      for (const part of parts.values()) part.close();
    },
  };
}
