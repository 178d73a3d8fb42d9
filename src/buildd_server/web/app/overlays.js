// What lies over a page: one dialog at a time, and short notices that go by themselves.

import { h } from "./vdom.js";

/**
 * @typedef {import("./vdom.js").Child} Child
 * @typedef {{id: number, text: string, kind: "done" | "error"}} Toast
 * @typedef {{title: string, text: string, action: string, danger?: boolean, more?: Child}} Question
 * @typedef {{id: number, view: (close: () => void) => Child, label: string, firm: boolean,
 *   closed: () => void}} Dialog
 */

const SHOWN_FOR = 6000;

/** @param {() => void} redraw */
export function createOverlays(redraw) {
  /** @type {Toast[]} */
  let toasts = [];
  /** @type {Dialog | null} */
  let dialog = null;
  /** @type {HTMLDialogElement | null} */
  let element = null;
  let count = 0;

  function close() {
    element?.close();
  }

  /** One dialog may open the next: its own end is told later, and must not end that one. @param {Dialog} ended */
  function left(ended) {
    if (dialog?.id === ended.id) dialog = null;
    ended.closed();
    redraw();
  }

  const overlays = {
    /** @param {string} text @param {"done" | "error"} [kind] */
    toast(text, kind = "done") {
      count += 1;
      const toast = { id: count, text, kind };
      toasts = [...toasts.filter((each) => each.text !== text), toast].slice(-4);
      redraw();
      if (kind === "done") setTimeout(() => overlays.dismiss(toast.id), SHOWN_FOR);
    },
    /** @param {number} id */
    dismiss(id) {
      toasts = toasts.filter((each) => each.id !== id);
      redraw();
    },
    /**
     * Show a dialog until it is closed. The view is drawn with every frame. A `firm` one is not
     * closed by a slip: a click beside it or the escape key.
     * @param {string} label
     * @param {(close: () => void) => Child} view
     * @param {{firm?: boolean}} [manner]
     * @returns {Promise<void>}
     */
    dialog(label, view, { firm = false } = {}) {
      close();
      count += 1;
      return new Promise((closed) => {
        dialog = { id: count, label, view, firm, closed };
        redraw();
      });
    },
    /**
     * Ask before something that cannot be undone.
     * @param {Question} question
     * @returns {Promise<boolean>}
     */
    async confirm(question) {
      let yes = false;
      await overlays.dialog(question.title, (done) => [
        h("p", null, question.text),
        question.more,
        h(
          "footer",
          { class: "dialog-actions" },
          h("button", { type: "button", onclick: done }, "Go back"),
          h(
            "button",
            {
              type: "button",
              class: question.danger ? "danger" : "primary",
              autofocus: true,
              onclick() {
                yes = true;
                done();
              },
            },
            question.action,
          ),
        ),
      ]);
      return yes;
    },
    get open() {
      return dialog !== null;
    },
    /** Another page comes: what was asked about the one before is settled; a secret is not taken away. */
    leave() {
      if (dialog?.firm === false) close();
    },
    view: () => [
      dialog && dialogView(dialog),
      h("div", { class: "toasts", role: "status" }, toasts.map(toastView)),
    ],
  };

  /** @param {Dialog} shown */
  function dialogView(shown) {
    const { id, label, view, firm } = shown;
    return h(
      "dialog",
      {
        key: `dialog-${id}`,
        "aria-label": label,
        onclose: () => left(shown),
        oncancel: (/** @type {Event} */ event) => firm && event.preventDefault(),
        // What begins inside, such as marking a text, is no click beside it.
        onpointerdown: (/** @type {Event} */ event) => event.target === element && !firm && close(),
        ref(/** @type {HTMLDialogElement} */ made) {
          element = made;
          made.showModal();
        },
      },
      h(
        "div",
        { class: "dialog-inside" },
        h(
          "header",
          { class: "dialog-head" },
          h("h2", null, label),
          h(
            "button",
            { type: "button", class: "quiet", "aria-label": "Close", onclick: close },
            "✕",
          ),
        ),
        view(close),
      ),
    );
  }

  /** @param {Toast} toast */
  function toastView({ id, text, kind }) {
    return h(
      "div",
      { key: id, class: ["toast", kind] },
      h("span", null, text),
      h(
        "button",
        { class: "quiet", "aria-label": "Dismiss", onclick: () => overlays.dismiss(id) },
        "✕",
      ),
    );
  }

  return overlays;
}
