// The lines of a diff as elements, each with the button that comments on it. A line never changes, so
// it is made once and drawn again for nothing.

import { h } from "../../app/vdom.js";
import { piecesOf } from "../../text/diff-chunks.js";
import { visible } from "../../text/visible.js";
import { count } from "../../text/words.js";

/**
 * @typedef {import("../../text/diff-chunks.js").Item} Item
 * @typedef {import("../../text/diff-lines.js").Line} Line
 */

/** @type {Record<string, string>} */
const SAID = { added: "added, ", removed: "removed, " };

/**
 * @param {Item} item
 * @param {string | null} id of the artifact, if it may be commented on
 * @param {boolean} first whether the Tab key stops here; the arrows go on from it
 */
export function itemView(item, id, first) {
  if (item.kind === "hunk")
    return h(
      "div",
      { class: "line hunk", key: item.line.start },
      h("code", null, visible(item.line.text)),
    );
  if (item.kind === "line") return lineView(item.line, item.beside, id, first);
  const { before, after } = item;
  const key = `${before?.start ?? ""}-${after?.start ?? ""}`;
  return h(
    "div",
    { class: "row", key },
    half(before, after, "before", id, first),
    half(after, before, "after", id, first && before === null),
  );
}

/** @param {Line} line @param {Line | null} beside @param {string | null} id @param {boolean} first */
function lineView(line, beside, id, first) {
  const numbers = [line.before, line.after];
  return h(
    "div",
    { class: ["line", line.kind], key: line.start },
    line.kind !== "plain" && numbered(line, numbers, id, first),
    code(line, beside),
  );
}

/**
 * @param {Line | null} line
 * @param {Line | null} beside
 * @param {"before" | "after"} side
 * @param {string | null} id
 * @param {boolean} first
 */
function half(line, beside, side, id, first) {
  if (line === null) return h("div", { class: "half void" });
  const opens = line !== beside || side === "after" ? id : null;
  return h(
    "div",
    { class: ["half", line.kind] },
    numbered(line, [line[side]], opens, first),
    code(line, beside),
  );
}

/** @param {Line} line @param {(number | null)[]} numbers @param {string | null} id @param {boolean} first */
function numbered(line, numbers, id, first) {
  const shown = numbers.map((each) => h("span", null, each ?? ""));
  if (id === null || line.kind === "note") return h("span", { class: "numbers" }, shown);
  const said = SAID[line.kind] ?? "";
  return h(
    "button",
    {
      type: "button",
      class: "numbers",
      id: lineId(id, line.start),
      tabindex: first ? "0" : "-1",
      "data-start": line.start,
      "aria-label": `Line ${line.after ?? line.before}, ${said}comment on it`,
    },
    shown,
  );
}

/** @param {string} artifactId @param {number} start */
export function lineId(artifactId, start) {
  return `line-${artifactId}-${start}`;
}

/** @param {Line} line @param {Line | null} beside */
function code(line, beside) {
  const { pieces, omitted } = piecesOf(line, beside);
  return h(
    "code",
    null,
    pieces.map(({ text, changed }) => (changed ? h("mark", null, text) : text)),
    omitted > 0 && h("span", { class: "omitted" }, `… ${count(omitted)} more characters`),
  );
}
