// The raw feed as it comes: newest at the end, as in a terminal, followed until its reader scrolls up.
// @ts-check

import { recent } from "../app/history.js";
import { h } from "../app/vdom.js";
import { icon } from "../parts/icons.js";
import { accountName, empty, head, workspaceName } from "../parts/pieces.js";
import { createTitles } from "../parts/titles.js";
import { createVirtual } from "../parts/virtual.js";
import { instant, told, toneOf, wants } from "../text/events.js";
import { createRing } from "../text/ring.js";
import { exact, plural } from "../text/words.js";
import { eventDetail, eventFilters, taskLink, typesOf } from "./events/parts.js";

/**
 * @typedef {import("../app/main.js").App} App
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
  const titles = createTitles(app);
  const leaving = new AbortController();
  let list = newList();
  let paused = false;
  let reading = true;
  let came = 0;
  /** @type {{rows: Row[], came: number} | null} what is shown while nothing may move */
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
    came += 1;
    app.redraw();
  }

  async function readPast() {
    try {
      const past = await recent(PAST, leaving.signal);
      const first = ring.list()[0]?.event.seq ?? Number.POSITIVE_INFINITY;
      ring.fill(past.filter(({ seq }) => seq < first).map(row));
    } catch {
      // What comes is shown all the same, and the page's foot tells when the server is away.
    }
    reading = false;
    app.redraw();
  }

  /** The rows to show, found anew only when there are others or others are wanted. */
  function rows() {
    const still = paused || !list.following;
    held = still ? (held ?? { rows: ring.list(), came }) : null;
    const all = held?.rows ?? ring.list();
    const { types, workspace, task, q } = app.query();
    const by = JSON.stringify([types, workspace, task, q]);
    if (filtered.of !== all || filtered.by !== by) {
      const wanted = { types: typesOf(types), workspace, task, text: (q ?? "").toLowerCase() };
      filtered = { of: all, by, rows: all.filter(({ event, line }) => wants(event, line, wanted)) };
    }
    return filtered.rows;
  }

  function go() {
    paused = false;
    list.toEnd();
    app.redraw();
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
    const more = held ? came - held.came : 0;
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
      eventFilters(app, titles),
      h(
        "div",
        { class: ["feed-frame", opened && "opened"] },
        shown.length === 0 ? nothing() : listed(shown),
        more > 0 &&
          h(
            "button",
            { type: "button", class: "feed-more primary", key: "more", onclick: go },
            icon("down"),
            `${plural(more, "new event")}`,
          ),
        opened && eventDetail(app, titles, opened.event, () => show(null)),
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

  /** @param {Row | null} each */
  function show(each) {
    opened = each;
    app.redraw();
  }

  /** @param {Event} event @returns {Child[]} */
  function about({ taskId, accountId, workspaceId }) {
    if (taskId) return [taskLink(titles, taskId)];
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
