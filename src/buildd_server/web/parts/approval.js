// Vouching for a task that anybody may have written: its text is read first, and just that text is approved.

import { h } from "../app/vdom.js";
import { visible } from "../text/visible.js";

/**
 * @typedef {import("../app/main.js").App} App
 * @typedef {import("../types.js").Task} Task
 */

/**
 * Show what an agent would read, as it is written, and let it be approved or called off.
 * @param {App} app
 * @param {Task} known
 */
export async function openApproval(app, known) {
  const task = await app.act(() => app.api.get(`/tasks/${known.id}`));
  if (!task) return;
  app.store.tasks.put(task);
  let busy = false;
  await app.overlays.dialog("Approve this text?", (close) => [
    h("h3", { dir: "auto", class: "approval-title" }, visible(task.title)),
    h(
      "pre",
      { class: "approval-text", tabindex: "0", dir: "auto" },
      visible(task.description || "It has no description."),
    ),
    context(task),
    task.externalUrl &&
      h(
        "p",
        null,
        "From ",
        h("a", { href: task.externalUrl, rel: "noreferrer", target: "_blank" }, task.externalUrl),
      ),
    h(
      "p",
      { class: "soft" },
      "An agent will do what this says, with what it may do. It is as safe as the words above.",
    ),
    h(
      "footer",
      { class: "dialog-actions" },
      h(
        "button",
        {
          type: "button",
          class: "danger",
          "aria-disabled": busy && "true",
          onclick: () => end("cancel", {}, "Task cancelled", close),
        },
        "Cancel task",
      ),
      h(
        "button",
        {
          type: "button",
          class: "primary",
          "aria-disabled": busy && "true",
          onclick: () => end("approve", { updatedAt: task.updatedAt }, "Task approved", close),
        },
        "Approve",
      ),
    ),
  ]);

  /** @param {string} verb @param {object} body @param {string} done @param {() => void} close */
  async function end(verb, body, done, close) {
    if (busy) return;
    busy = true;
    const changed = await app.act(() => app.api.post(`/tasks/${task.id}/${verb}`, body), done);
    busy = false;
    if (!changed) return;
    app.store.tasks.put(changed);
    close();
  }
}

/** An executor may be given this as well. @param {Task} task */
function context({ context: told }) {
  if (Object.keys(told ?? {}).length === 0) return null;
  return h(
    "pre",
    { class: "approval-text", tabindex: "0" },
    visible(JSON.stringify(told, null, 2)),
  );
}
