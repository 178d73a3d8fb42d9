// The raw feed as it comes: newest at the end, as in a terminal, followed until its reader scrolls up.

import { ApiError } from "../app/api.js";
import { recent } from "../app/history.js";
import { h } from "../app/vdom.js";
import { icon } from "../parts/icons.js";
import { accountName, empty, head, taskLink, workspaceName } from "../parts/pieces.js";
import { createVirtual } from "../parts/virtual.js";
import { instant, told, toneOf, wants } from "../text/events.js";
import { createRing } from "../text/ring.js";
import { exact, plural } from "../text/words.js";
import { eventDetail, eventFilters, typesOf } from "./events/parts.js";

/**
 * @typedef {import("../app/vdom.js").Child} Child
 * @typedef {import("../types.js").Event} Event
 * @typedef {{key: string, event: Event, line: string}} Row
 */

const MOST = 5000;
const PAST = 500;
const NARROW = matchMedia("(max-width: 50rem)");

/** @type {import("../app/router.js").PageMaker} */
export function page(app) {
  /** @type {ReturnType<typeof createRing<Row>>} */
  const ring = createRing(MOST);
  const leaving = new AbortController();
  let list = newList();
  let paused = false;
  let reading = true;
  /** @type {Row[] | null} what is shown while nothing may move */
  let held = null;
  /** @type {Row | null} */
  let opened = null;
  let filtered = { of: /** @type {Row[]} */ ([]), by: "", rows: /** @type {Row[]} */ ([]) };

  /** @returns {ReturnType<typeof createVirtual<Row>>} */
  function newList() {
    return createVirtual(app.redraw, { height: NARROW.matches ? 56 : 32, follows: true });
  }

  /** @param {Event} event @returns {Row} */
  function row(event) {
    return { key: `${event.seq} ${event.type}`, event, line: told(event) };
  }

  /** @param {Event} event */
  function hear(event) {
    ring.push(row(event));
    app.redraw();
  }

  async function readPast() {
    try {
      const past = await recent(app.api, PAST, leaving.signal);
      const first = ring.list()[0]?.event.seq ?? Number.POSITIVE_INFINITY;
      ring.fill(past.filter(({ seq }) => seq < first).map(row));
    } catch (error) {
      if (!(error instanceof ApiError) && !leaving.signal.aborted) throw error;
      // What comes is shown all the same, and the page's foot tells when the server is away.
    }
    reading = false;
    app.redraw();
  }

  /** The rows to show, found anew only when there are others or others are wanted. */
  function rows() {
    held = paused || !list.following ? (held ?? ring.list()) : null;
    const all = held ?? ring.list();
    const by = location.search;
    if (filtered.of !== all || filtered.by !== by) filtered = { of: all, by, rows: wanted(all) };
    return filtered.rows;
  }

  /** Those that pass the filters. @param {Row[]} all */
  function wanted(all) {
    const { types, workspace, task, q } = app.query();
    const filter = { types: typesOf(types), workspace, task, text: (q ?? "").toLowerCase() };
    return all.filter(({ event, line }) => wants(event, line, filter));
  }

  /** How many have come since nothing moves. */
  function more() {
    const last = held?.at(-1)?.event.seq;
    if (last === undefined) return 0;
    return wanted(ring.list().filter(({ event }) => event.seq > last)).length;
  }

  function go() {
    paused = false;
    list.toEnd();
    app.redraw();
  }

  function goOn() {
    go();
    focusOn(".feed-list");
  }

  function pause() {
    if (paused) return go();
    paused = true;
    app.redraw();
  }

  function resized() {
    list = newList();
    app.redraw();
  }
  NARROW.addEventListener("change", resized);
  void readPast();

  function view() {
    const shown = rows();
    const coming = more();
    return [
      head(
        "Events",
        h(
          "button",
          { type: "button", onclick: pause },
          icon(paused ? "play" : "pause"),
          paused ? "Continue" : "Pause",
        ),
      ),
      eventFilters(app),
      h(
        "div",
        { class: ["feed-frame", opened && "opened"] },
        shown.length === 0 ? nothing() : listed(shown),
        coming > 0 &&
          h(
            "button",
            { type: "button", class: "feed-more primary", key: "more", onclick: goOn },
            icon("down"),
            `${plural(coming, "new event")}`,
          ),
        opened && eventDetail(app, opened.event, close),
      ),
    ];
  }

  /** @param {Row[]} shown */
  function listed(shown) {
    return list.view(shown, drawn, {
      key: NARROW.matches ? "narrow" : "wide",
      class: "feed-list",
      role: "log",
      "aria-live": "off",
      "aria-label": "Events, newest last",
    });
  }

  function nothing() {
    if (reading) return h("p", { class: "loading", role: "status", key: "none" }, "Loading…");
    if (ring.list().length > 0)
      return empty(app, {
        title: "No such event",
        text: "None of those that are kept here passes these filters.",
      });
    return empty(app, {
      title: "Nothing has happened yet",
      text: "Whatever changes on this server appears here as it happens. Create a task to see its events:",
      command: 'buildd tasks create "Say hello" --workspace ws_…',
    });
  }

  /** @param {Row} each */
  function drawn(each) {
    const { event, line, key } = each;
    const open = opened?.key === key;
    return h(
      "div",
      { key, class: ["feed-row", `tone-${toneOf(event.type)}`, open && "open"] },
      h(
        "button",
        {
          type: "button",
          class: "feed-time",
          "aria-expanded": String(open),
          "aria-controls": "event",
          title: exact(event.at),
          onclick: () => show(open ? null : each),
        },
        instant(event.at),
      ),
      h("b", { class: "feed-type" }, event.type),
      h("span", { class: "feed-about" }, about(event)),
      h("span", { class: "feed-line", title: line }, line),
    );
  }

  /** The focus goes back to where it came from. */
  function close() {
    focusOn('.feed-time[aria-expanded="true"]', ".feed-list");
    show(null);
  }

  /** @param {Row | null} each */
  function show(each) {
    opened = each;
    app.redraw();
  }

  /** @param {Event} event @returns {Child[]} */
  function about({ taskId, accountId, workspaceId }) {
    if (taskId) return [taskLink(app, taskId)];
    if (accountId) return [h("a", { href: "/fleet" }, accountName(app, accountId))];
    if (workspaceId)
      return [h("a", { href: `/workspaces/${workspaceId}` }, workspaceName(app, workspaceId))];
    return [];
  }

  return {
    title: () => "Events",
    hear,
    reset() {
      const seq = ring.list().at(-1)?.event.seq ?? 0;
      const nobody = { workspaceId: null, taskId: null, workerId: null, accountId: null };
      hear({ seq, type: "reset", at: new Date().toISOString(), ...nobody, data: {} });
    },
    close() {
      leaving.abort();
      NARROW.removeEventListener("change", resized);
    },
    view,
  };
}

/** Give the focus to the first that there is. @param {...string} selectors */
function focusOn(...selectors) {
  const found = selectors.map((each) => document.querySelector(each)).find(Boolean);
  if (found instanceof HTMLElement) found.focus();
}
