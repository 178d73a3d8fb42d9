// What one hook was told or is still to be told, and a way to tell it again.

import { h } from "../../app/vdom.js";
import { button, part, table, when } from "../../parts/pieces.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Hook} Hook
 * @typedef {import("../../types.js").Delivery} Delivery
 */

const MOST = 50;
const EVERY = 2000; // Milliseconds between looks at what is still on its way: a delivery is no event.
const TONES = { pending: "calm", sending: "busy", delivered: "good", failed: "bad" };

/** Where a hook leads, without the rest of its URL: at chats, that is a secret. @param {string} url */
export function hostOf(url) {
  try {
    return new URL(url).host;
  } catch {
    return "an address";
  }
}

/** @param {App} app */
export function createDeliveries(app) {
  /** @type {Hook | null} */
  let hook = null;
  /** @type {Delivery[]} */
  let list = [];
  let watch = 0;
  let closed = false;

  /** @param {Hook} chosen */
  async function show(chosen) {
    if (hook?.id !== chosen.id) list = [];
    hook = chosen;
    await read();
  }

  async function read() {
    clearTimeout(watch);
    const { id } = hook ?? { id: "" };
    const page = await app.act(() => app.api.page(`/hooks/${id}/deliveries`, { limit: MOST }));
    if (page === undefined || hook?.id !== id) return;
    list = page.items;
    app.redraw();
    if (!closed && list.some(onItsWay)) watch = window.setTimeout(read, EVERY);
  }

  /** @param {Delivery} delivery */
  async function again({ hookId, id }) {
    await app.act(
      () => app.api.post(`/hooks/${hookId}/deliveries/${id}/redeliver`),
      "It is sent again",
    );
    await read();
  }

  function hide() {
    clearTimeout(watch);
    hook = null;
    app.redraw();
  }

  /** @param {Delivery} delivery */
  function cells(delivery) {
    const { type, status, attempts, dueAt, responseStatus, error, createdAt } = delivery;
    return [
      type,
      h("span", { class: ["badge", `tone-${TONES[status]}`] }, status),
      h("span", { class: "figure" }, attempts),
      [
        responseStatus !== null && h("span", { class: "figure" }, `${responseStatus} `),
        error && h("span", { class: "soft" }, error),
        status === "pending" && dueAt && h("span", { class: "faint" }, " next ", when(dueAt)),
      ],
      when(createdAt),
      app.may("admin") &&
        !onItsWay(delivery) &&
        h(
          "div",
          { class: "row-actions" },
          button("Redeliver", () => again(delivery)),
        ),
    ];
  }

  return {
    show,
    close() {
      closed = true;
      clearTimeout(watch);
    },
    /** @param {Hook} gone */
    forget(gone) {
      if (gone.id === hook?.id) hide();
    },
    view: () =>
      hook &&
      part(
        `Deliveries to ${hostOf(hook.url)}`,
        button("Hide", hide),
        list.length
          ? table(
              "Deliveries",
              ["Of", "Status", "Attempts", "Answer", "When", null],
              list.map((each) => ({ key: each.id, cells: cells(each) })),
            )
          : h("p", { class: "soft" }, "It was told nothing yet. “Test” sends it a message."),
      ),
  };
}

/** @param {Delivery} delivery */
function onItsWay({ status }) {
  return status === "pending" || status === "sending";
}
