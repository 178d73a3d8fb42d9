// Where a person writes to the agent of an attempt that is not over.

import { isLive } from "../../app/store.js";
import { h } from "../../app/vdom.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Worker} Worker
 */

/** @type {Map<string, string>} by worker: whoever looks at another page meanwhile finds it again */
const drafts = new Map();

/**
 * @param {App} app
 * @param {string} workerId
 * @param {() => void} sent
 */
export function createMessageBox(app, workerId, sent) {
  let busy = false;
  /** @type {HTMLTextAreaElement | null} */
  let area = null;

  function written() {
    return drafts.get(workerId) ?? "";
  }

  async function send() {
    const content = written().trim();
    if (busy || !content) return;
    busy = true;
    app.redraw();
    const said = await app.act(() => app.api.post(`/workers/${workerId}/messages`, { content }));
    busy = false;
    if (said) {
      if (written().trim() === content) drafts.delete(workerId);
      sent();
    }
    app.redraw();
  }

  return {
    focus() {
      area?.focus();
      return area !== null;
    },
    /** @param {Worker} worker */
    view(worker) {
      if (!isLive(worker) || !app.may("create")) return null;
      return h(
        "form",
        {
          class: "talk-box",
          onsubmit(/** @type {SubmitEvent} */ event) {
            event.preventDefault();
            void send();
          },
        },
        h("textarea", {
          rows: 2,
          value: written(),
          "aria-label": "Message to the agent",
          placeholder:
            worker.status === "paused"
              ? "To be read when it is taken up again"
              : "Say something to the agent",
          ref(/** @type {HTMLTextAreaElement} */ made) {
            area = made;
            return () => {
              area = null;
            };
          },
          oninput(/** @type {Event & {target: HTMLTextAreaElement}} */ { target }) {
            drafts.set(workerId, target.value);
            app.redraw();
          },
          onkeydown(/** @type {KeyboardEvent} */ event) {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void send();
            else if (event.key === "Escape") area?.blur();
          },
        }),
        h("button", { disabled: busy || !written().trim(), title: "Ctrl+Enter" }, "Send"),
      );
    },
  };
}
