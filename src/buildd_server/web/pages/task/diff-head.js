// What stands above a diff and above each of its files: what has happened, and how much.

import { h } from "../../app/vdom.js";
import { icon } from "../../parts/icons.js";
import { button } from "../../parts/pieces.js";
import { visible } from "../../text/visible.js";
import { count, plural } from "../../text/words.js";

/** @typedef {import("../../text/diff-lines.js").File} File */

const LAYOUTS = /** @type {const} */ ([
  ["unified", "Unified"],
  ["split", "Side by side"],
]);

/**
 * @param {File[]} files
 * @param {{jump: (file: File) => void, fold: () => void, folded: boolean, split: boolean,
 *   choose: ((layout: "unified" | "split") => void) | null}} how `choose` if there is room for both
 */
export function diffBar(files, { jump, fold, folded, split, choose }) {
  const named = files.filter(({ path }) => path !== "");
  const sum = (/** @type {"added" | "removed"} */ what) =>
    named.reduce((all, each) => all + each[what], 0);
  const total = { added: sum("added"), removed: sum("removed") };
  return h(
    "div",
    { class: "diff-bar" },
    h(
      "details",
      { class: "file-list" },
      h("summary", null, plural(named.length, "file"), " changed ", counts(total)),
      h(
        "ul",
        null,
        named.map((file, at) => h("li", { key: at }, fileLink(file, jump))),
      ),
    ),
    h(
      "div",
      { class: "actions" },
      named.length > 1 && button(folded ? "Unfold all" : "Fold all", fold, "quiet"),
      choose && layouts(split, choose),
    ),
  );
}

/** @param {File} file @param {(file: File) => void} jump */
function fileLink(file, jump) {
  return h(
    "button",
    { type: "button", class: "quiet", onclick: () => jump(file) },
    h("bdi", { class: "path" }, visible(file.path)),
    counts(file),
  );
}

/** @param {boolean} split @param {(layout: "unified" | "split") => void} choose */
function layouts(split, choose) {
  return h(
    "div",
    { class: "choice", role: "group", "aria-label": "Layout of the diff" },
    LAYOUTS.map(([layout, name]) => {
      const pressed = String((layout === "split") === split);
      return h(
        "button",
        { type: "button", key: layout, "aria-pressed": pressed, onclick: () => choose(layout) },
        name,
      );
    }),
  );
}

/**
 * @param {File} file
 * @param {boolean} open
 * @param {() => void} fold
 * @param {(element: Element) => void} ref
 */
export function fileHead(file, open, fold, ref) {
  if (file.path === "") return null;
  return h(
    "header",
    { class: "file-head", ref },
    h(
      "h4",
      null,
      h(
        "button",
        { type: "button", class: "quiet", "aria-expanded": String(open), onclick: fold },
        icon("down"),
        h("bdi", { class: "path" }, visible(file.path)),
      ),
    ),
    whatHappened(file).map((word) => h("span", { class: "chip", title: word, key: word }, word)),
    file.added + file.removed > 0 && counts(file),
  );
}

/** @param {{added: number, removed: number}} of */
function counts({ added, removed }) {
  return h(
    "span",
    { class: "counts figure" },
    h("span", { class: "plus" }, `+${count(added)}`),
    " ",
    h("span", { class: "minus" }, `−${count(removed)}`),
  );
}

/** @param {File} file */
function whatHappened({ status, oldPath, oldMode, newMode, binary }) {
  const moved = status === "renamed" || status === "copied";
  const usual = status === "modified" || status === "plain";
  return [
    moved && oldPath ? `${status} from ${visible(oldPath)}` : !usual && status,
    binary && "binary",
    oldMode && newMode && oldMode !== newMode && `mode ${visible(oldMode)} → ${visible(newMode)}`,
  ].filter((word) => typeof word === "string");
}

/** What to say of a file without lines. @param {File} file */
export function withoutLines({ binary, status }) {
  if (binary) return "A binary file: there is nothing to read.";
  return status === "added" || status === "deleted" ? "The file is empty." : "No line has changed.";
}
