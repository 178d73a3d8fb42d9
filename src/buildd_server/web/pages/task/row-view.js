// How one row of a conversation looks.

import { h } from "../../app/vdom.js";
import { ansiLine } from "../../parts/ansi.js";
import { icon } from "../../parts/icons.js";
import { markdownView } from "../../parts/markdown.js";
import { blocksOf, countLines, gist, spansOfRow } from "../../text/transcript.js";
import { visible } from "../../text/visible.js";
import { bytes, exact, money, plural, timeOfDay } from "../../text/words.js";

/**
 * @typedef {import("../../text/transcript.js").Row} Row
 * @typedef {import("../../text/transcript.js").Entry} Entry
 * @typedef {import("../../types.js").Attachment} Attachment
 */

const SPEAKER = { person: "Person", system: "buildd" };

/**
 * The row as an element; made once, and anew when what it shows is another.
 * @param {Row} row
 * @param {(entry: Entry) => void} toggle
 * @param {boolean} found whether it is what somebody looked for
 */
export function rowView(row, toggle, found) {
  const state = `${row.entry.open}${found}${row.entry.result?.id ?? ""}`;
  if (row.node?.state !== state) row.node = { state, view: newView(row, toggle, found) };
  return row.node.view;
}

/** @param {Row} row @param {(entry: Entry) => void} toggle @param {boolean} found */
function newView(row, toggle, found) {
  const { entry, block, line, first } = row;
  const key = block ? `${entry.id}/${block.kind}/${line}` : entry.id;
  return h(
    "div",
    {
      key,
      class: [
        "said",
        `said-${block ? "line" : entry.kind}`,
        block?.kind,
        first && "said-first",
        found && "found",
      ],
    },
    h(
      "span",
      { class: "said-time" },
      first &&
        h(
          "time",
          { datetime: entry.message.createdAt, title: exact(entry.message.createdAt) },
          timeOfDay(entry.message.createdAt),
        ),
    ),
    h("div", { class: "said-body" }, block ? lineView(row) : whole(entry, toggle)),
  );
}

/** @param {Row} row */
function lineView(row) {
  const spans = spansOfRow(row);
  const { message } = row.entry;
  const last =
    row.entry.kind === "output" && row.block && row.line === countLines(row.block.text) - 1;
  return [
    h("span", { class: "ansi-line" }, spans.length > 0 ? ansiLine(spans) : "\u00a0"),
    last && attachments(message.attachments),
  ];
}

/** @param {Entry} entry @param {(entry: Entry) => void} toggle */
function whole(entry, toggle) {
  const { kind, message } = entry;
  if (kind === "tool") return toolView(entry, toggle);
  const text = message.content ?? "";
  return [
    kind !== "prose" &&
      h("b", { class: "said-who" }, SPEAKER[/** @type {"person" | "system"} */ (kind)]),
    message.answers && h("p", { class: "said-about" }, "answers: ", visible(message.answers)),
    kind === "prose"
      ? markdownView(text)
      : h("p", { class: "plain-text", dir: "auto" }, visible(text)),
    attachments(message.attachments),
  ];
}

/** @param {Entry} entry @param {(entry: Entry) => void} toggle */
function toolView(entry, toggle) {
  const { name, about } = gist(entry);
  const blocks = blocksOf(entry);
  const count = blocks.reduce((sum, { text }) => sum + countLines(text), 0);
  const failed = entry.result?.content === "failed";
  return [
    h(
      "button",
      {
        type: "button",
        class: "tool-line",
        "aria-expanded": String(entry.open),
        disabled: count === 0,
        onclick: () => toggle(entry),
      },
      icon(entry.open ? "down" : "play"),
      h("b", null, name),
      about && h("span", { class: "tool-about", title: about }, about),
      failed && h("span", { class: "tool-failed" }, "failed"),
      h(
        "small",
        null,
        [count > 1 && plural(count, "line"), entry.message.costUsd && money(entry.message.costUsd)]
          .filter(Boolean)
          .join(" · "),
      ),
    ),
    attachments([...entry.message.attachments, ...(entry.result?.attachments ?? [])]),
  ];
}

/** @param {Attachment[]} files */
function attachments(files) {
  return (
    files.length > 0 &&
    h(
      "ul",
      { class: "attachments" },
      files.map(({ id, filename, size, mimeType }) =>
        h(
          "li",
          { key: id },
          icon("file"),
          h(
            "a",
            { href: `/api/attachments/${id}`, target: "_blank", rel: "noopener", title: mimeType },
            visible(filename),
          ),
          h("small", { class: "faint" }, bytes(size)),
        ),
      ),
    )
  );
}
