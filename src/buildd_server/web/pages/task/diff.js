// A diff to read and to comment on: files to fold, in one column or two. As long as nothing about it
// changes, drawing it again costs nothing.

import { h } from "../../app/vdom.js";
import { parseDiff, select } from "../../text/diff.js";
import { between, chunksOf, itemsOf, linesOf } from "../../text/diff-chunks.js";
import { place } from "../../text/remarks.js";
import { plural } from "../../text/words.js";
import { diffBar, fileHead, withoutLines } from "./diff-head.js";
import { itemView, lineId } from "./diff-lines.js";
import { createWindow } from "./diff-window.js";

/**
 * @typedef {import("../../text/diff-lines.js").File} File
 * @typedef {import("../../app/vdom.js").VElement} VElement
 * @typedef {import("./diff-window.js").Pane} Pane
 */

const WIDE = 960; // Pixels from which there is room for two columns.
const AT_ONCE = 1; // Chunks that are drawn without waiting for what is seen.
const LONG = 4_000; // Lines from which a diff is drawn only in part.
const MINUTE = 60_000;
const LAYOUT = "diff-layout";

/**
 * @param {import("../../app/main.js").App} app
 * @param {import("../../types.js").Artifact} artifact
 * @param {import("./comments.js").Comments} comments
 */
export function createDiff(app, artifact, comments) {
  const files = parseDiff(artifact.content ?? "");
  const chunks = new Map(files.map((file) => [file, chunksOf(file)]));
  const total = files
    .flatMap(({ hunks }) => hunks)
    .reduce((sum, { lines }) => sum + lines.length, 0);
  const commentable = app.may("create") ? artifact.id : null;
  const window = createWindow(changed, total > LONG);
  /** @type {Set<File>} */
  const folded = new Set();
  /** @type {Map<File, Element>} */
  const heads = new Map();
  let split = false;
  let panes = laidOut();
  let placed = { version: -1, at: place(files, []) };
  let wide = false;
  let version = 0;
  let lastOpened = -1;
  let drawn = { stamp: "", node: /** @type {VElement | null} */ (null) };

  function changed() {
    version += 1;
    app.redraw();
  }

  /** @returns {Map<File, Pane[]>} */
  function laidOut() {
    let at = 0;
    const blank = { height: 0, lines: null, node: null };
    return new Map(
      files.map((file) => [
        file,
        (chunks.get(file) ?? []).map((chunk) => ({ ...blank, chunk, split, near: at++ < AT_ONCE })),
      ]),
    );
  }

  function placement() {
    if (placed.version !== comments.version)
      placed = { version: comments.version, at: place(files, comments.list) };
    return placed.at;
  }

  /** @param {Pane} pane @param {number[]} spoken where lines with comments start */
  function paneView(pane, spoken) {
    const { from, to } = pane.chunk;
    const here = spoken.filter((start) => start >= from && start <= to);
    if (here.length > 0) {
      Object.assign(pane, { near: true, node: null });
      return window.box(pane, withThreads(pane, new Set(here)));
    }
    pane.node ??= window.box(pane, pane.near && linesDrawn(pane));
    return pane.node;
  }

  /** @param {Pane} pane */
  function linesDrawn(pane) {
    const items = itemsOf(pane.chunk, pane.split);
    const first = items.findIndex(({ kind }) => kind !== "hunk");
    pane.lines ??= items.map((item, at) => itemView(item, commentable, at === first));
    return pane.lines;
  }

  /** @param {Pane} pane @param {Set<number>} spoken */
  function withThreads(pane, spoken) {
    const { lines } = placement();
    const views = linesDrawn(pane);
    return itemsOf(pane.chunk, pane.split).flatMap((item, at) => [
      views[at],
      ...linesOf(item)
        .filter(({ start }) => spoken.has(start))
        .map(({ start }) => thread(start, lines.get(start) ?? [])),
    ]);
  }

  /** @param {number} start @param {import("./comments.js").Comment[]} said */
  function thread(start, said) {
    return comments.thread(said, String(start), { opener: lineId(artifact.id, start) });
  }

  /** @param {File} file @param {number} at @param {number[]} spoken */
  function fileView(file, at, spoken) {
    const open = !folded.has(file);
    const stray = placement().files.get(file) ?? [];
    return h(
      "section",
      { class: "file", key: at },
      fileHead(
        file,
        open,
        () => fold(file),
        (element) => void heads.set(file, element),
      ),
      open && [
        h(
          "div",
          { class: "lines" },
          panes.get(file)?.map((pane) => paneView(pane, spoken)),
        ),
        file.hunks.length === 0 && h("p", { class: "unsaid" }, withoutLines(file)),
        comments.thread(stray, `file-${at}`, { quoting: true }),
      ],
    );
  }

  /** @param {File} file */
  function fold(file) {
    if (!folded.delete(file)) folded.add(file);
    changed();
  }

  function foldAll() {
    const unfold = folded.size === files.length;
    folded.clear();
    if (!unfold) for (const file of files) folded.add(file);
    changed();
  }

  /** @param {File} file */
  function jump(file) {
    folded.delete(file);
    changed();
    heads.get(file)?.closest("section")?.scrollIntoView();
  }

  /** @param {"unified" | "split"} layout */
  function choose(layout) {
    localStorage.setItem(LAYOUT, layout);
    changed();
  }

  function isSplit() {
    return wide && localStorage.getItem(LAYOUT) === "split";
  }

  /** Begin a comment on a line, or on all since the last one. @param {MouseEvent} event */
  function onclick(event) {
    const button = /** @type {Element} */ (event.target).closest("button[data-start]");
    if (!(button instanceof HTMLElement)) return;
    const end = Number(button.dataset.start);
    const lines = between(files, event.shiftKey ? lastOpened : end, end);
    const last = lines.at(-1);
    if (last === undefined) return;
    lastOpened = end;
    const what =
      lines.length === 1 ? `line ${last.after ?? last.before}` : plural(lines.length, "line");
    comments.open(String(last.start), { selection: select(lines), label: `Comment on ${what}` });
  }

  /** @param {HTMLElement} element */
  function ref(element) {
    const size = new ResizeObserver(() => {
      const now = element.clientWidth >= WIDE;
      if (now !== wide) changed();
      wide = now;
    });
    size.observe(element);
    return () => size.disconnect();
  }

  function whole() {
    if (split !== isSplit()) {
      split = isSplit();
      panes = laidOut();
    }
    window.admit();
    window.drawAhead(() => [...panes.values()].flat().find((pane) => !pane.near));
    const spoken = [...placement().lines.keys(), ...comments.openAt];
    return h(
      "div",
      { class: ["diff", split && "split"], onclick, onkeydown: walk, ref },
      diffBar(files, {
        jump,
        fold: foldAll,
        folded: folded.size === files.length,
        split,
        choose: wide ? choose : null,
      }),
      files.map((file, at) => fileView(file, at, spoken)),
      comments.whole(placement().rest, "this diff"),
    );
  }

  return {
    view() {
      const now = comments.list.length ? Math.floor(Date.now() / MINUTE) : 0;
      const stamp = [version, comments.version, now, isSplit()].join();
      if (drawn.node === null || drawn.stamp !== stamp) drawn = { stamp, node: whole() };
      return drawn.node;
    },
    close: window.close,
  };
}

/** The arrows go from line to line. @param {KeyboardEvent} event */
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const here = /** @type {Element} */ (event.target);
  if (step === undefined || !here.matches("button[data-start]")) return;
  const all = [
    .../** @type {Element} */ (event.currentTarget).querySelectorAll("button[data-start]"),
  ];
  const next = all[all.indexOf(here) + step];
  if (!(next instanceof HTMLElement)) return;
  event.preventDefault();
  next.focus();
}
