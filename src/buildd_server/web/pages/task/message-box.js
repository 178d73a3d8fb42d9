// Where a person writes to the agent of an attempt that is not over.

import { isLive } from "../../app/store.js";
import { h } from "../../app/vdom.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Worker} Worker
 */

/**
 * @param {App} app
 * @param {string} workerId
 * @param {() => void} sent
 */
export function createMessageBox(app, workerId, sent) {
  let busy = false;
  let text = "";
  /** @type {HTMLTextAreaElement | null} */
  let area = null;

  async function send() {
    const content = text.trim();
    if (busy || !content) return;
    busy = true;
    app.redraw();
    const said = await app.act(() => app.api.post(`/workers/${workerId}/messages`, { content }));
    busy = false;
    if (said) {
      text = "";
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
          value: text,
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
            text = target.value;
            app.redraw();
          },
          onkeydown(/** @type {KeyboardEvent} */ event) {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void send();
            else if (event.key === "Escape") area?.blur();
          },
        }),
        h("button", { disabled: busy || !text.trim(), title: "Ctrl+Enter" }, "Send"),
      );
    },
  };
}
