// The conversation and the output of one attempt, live: it follows its end until somebody scrolls up.

import { h } from "../../app/vdom.js";
import { icon } from "../../parts/icons.js";
import { blocksOf } from "../../text/transcript.js";
import { plural } from "../../text/words.js";
import { createMessageBox } from "./message-box.js";
import { createReading } from "./reading.js";
import { rowView } from "./row-view.js";
import { createRows } from "./rows.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Worker} Worker
 * @typedef {import("../../text/transcript.js").Row} Row
 * @typedef {import("../../text/transcript.js").Entry} Entry
 * @typedef {ReturnType<typeof createConversation>} Conversation
 */

const LINE = 20; // Pixels of a line, until it was measured.
const WIDE = 90; // Characters of prose in a line, more or less.

/**
 * @param {App} app
 * @param {string} workerId
 */
export function createConversation(app, workerId) {
  const reading = createReading(app, workerId);
  const { transcript } = reading;
  const list = createRows(app.redraw, { estimate, near: () => void reading.earlier() });
  const box = createMessageBox(app, workerId, () => {
    list.toEnd();
    reading.refresh();
  });
  let sought = "";
  /** @type {Row | null} */
  let found = null;
  let looking = false;

  /** @param {Entry} entry */
  function toggle(entry) {
    transcript.toggle(entry);
    app.redraw();
  }

  /** The next place above what is found, or what is seen, where a text stands. */
  async function find() {
    if (!sought || looking) return;
    looking = true;
    app.redraw();
    await reading.everything();
    looking = false;
    const rows = transcript.rows();
    const start = found && rows[found.index] === found ? found.index : rows.length;
    const entries = transcript.entries;
    const from = entries.indexOf(rows[start]?.entry ?? /** @type {Entry} */ (entries.at(-1)));
    const text = sought.toLowerCase();
    found =
      above(rows, start, text) ?? inside(entries, from, text) ?? above(rows, rows.length, text);
    if (found) list.reveal(found);
    else app.overlays.toast(`“${sought}” was not said or written`, "error");
    app.redraw();
  }

  /** A line that is shown. @param {Row[]} rows @param {number} start @param {string} text */
  function above(rows, start, text) {
    for (let at = start - 1; at >= 0; at -= 1) {
      const row = /** @type {Row} */ (rows[at]);
      if (textOf(row).toLowerCase().includes(text)) return row;
    }
    return null;
  }

  /** A use of a tool that is folded: it is opened. @param {Entry[]} entries @param {number} from @param {string} text */
  function inside(entries, from, text) {
    for (let at = from; at >= 0; at -= 1) {
      const entry = /** @type {Entry} */ (entries[at]);
      const has =
        entry.kind === "tool" &&
        !entry.open &&
        blocksOf(entry).some((each) => each.text.toLowerCase().includes(text));
      if (!has) continue;
      transcript.toggle(entry, true);
      const rows = transcript.rows();
      rows.forEach((row, index) => {
        row.index = index;
      });
      return (
        rows.find(
          (row) => row.entry === entry && row.block && textOf(row).toLowerCase().includes(text),
        ) ?? null
      );
    }
    return null;
  }

  function tools() {
    return h(
      "form",
      {
        class: "talk-tools",
        role: "search",
        onsubmit(/** @type {SubmitEvent} */ event) {
          event.preventDefault();
          void find();
        },
      },
      h("input", {
        type: "search",
        "data-key": "/",
        "aria-label": "Find in the conversation",
        placeholder: "Find in the conversation",
        title: "Enter goes to the next one above",
        oninput(/** @type {Event & {target: HTMLInputElement}} */ { target }) {
          sought = target.value;
          found = null;
        },
      }),
      h("span", { class: "faint", role: "status" }, looking ? "Reading all of it…" : lineCount()),
    );
  }

  function lineCount() {
    const count = transcript.rows().length;
    return count > 0 && `${plural(count, "row")}${reading.more ? " so far" : ""}`;
  }

  /** @param {Worker} worker */
  function rows(worker) {
    if (reading.state === "loading") return h("p", { class: "talk-empty faint" }, "Reading…");
    if (transcript.entries.length === 0)
      return h("p", { class: "talk-empty faint" }, silence(worker));
    if (list.following) reading.arrived = 0;
    return h(
      "div",
      { class: "talk-list" },
      list.view(transcript.rows(), (row) => rowView(row, toggle, row === found), {
        class: "talk-rows",
        role: "region",
        "aria-label": "Conversation and output",
      }),
      !list.following &&
        h(
          "button",
          { type: "button", class: "talk-new", onclick: list.toEnd },
          icon("down"),
          reading.arrived > 0 ? `${reading.arrived} new` : "To the end",
        ),
    );
  }

  return {
    reading,
    /** @param {Worker} worker */
    view: (worker) =>
      h("div", { key: worker.id, class: "talk" }, tools(), rows(worker), box.view(worker)),
    /** @param {import("../../types.js").Event} event */
    hear(event) {
      if (event.workerId !== workerId) return;
      if (event.type === "worker:message" || event.type === "worker:attachment") reading.refresh();
    },
    focus: box.focus,
    reset: reading.refresh,
    close: reading.close,
  };
}

/** @param {Row} row */
function estimate({ entry, block }) {
  if (block) return LINE;
  if (entry.kind === "tool") return 30;
  return 24 + LINE * Math.ceil((entry.message.content ?? "").length / WIDE);
}

/** What a row says, colours and all. @param {Row} row */
function textOf({ entry, block, line }) {
  if (!block) return entry.message.content ?? "";
  const lines = linesOf(block);
  return lines[line] ?? "";
}

/** @type {WeakMap<object, string[]>} */
const split = new WeakMap();

/** @param {{text: string}} block */
function linesOf(block) {
  let lines = split.get(block);
  if (!lines) {
    lines = block.text.split("\n");
    split.set(block, lines);
  }
  return lines;
}

/** @param {Worker} worker */
function silence({ status }) {
  if (status === "idle" || status === "starting")
    return "The agent has not begun. What it says appears here.";
  if (status === "completed" || status === "error") return "Nothing was said during this attempt.";
  return "Nothing was said so far. What the agent says appears here.";
}
