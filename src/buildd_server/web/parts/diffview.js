// A diff to read and to comment on: files to fold, one column or two, and of a long one only what is
// near the part that is seen. As long as nothing about it changes, drawing it again costs nothing.
// @ts-check

import { h } from "../app/vdom.js";
import { between, chunked, itemsOf, linesOf } from "../text/diff-chunks.js";
import { parseDiff, select } from "../text/diff.js";
import { place } from "../text/remarks.js";
import { visible } from "../text/visible.js";
import { count, plural } from "../text/words.js";
import { itemView, lineId } from "./difflines.js";
import { icon } from "./icons.js";

/**
 * @typedef {import("../text/diff-lines.js").File} File
 * @typedef {import("../text/diff-chunks.js").Item} Item
 * @typedef {import("../app/vdom.js").VElement} VElement
 * @typedef {{items: Item[], starts: number[], near: boolean, height: number, lines: VElement[] | null,
 *   node: VElement | null}} Chunk `lines` are made when it is first drawn
 */

const WIDE = 960; // Pixels from which there is room for two columns.
const NEAR = "1500px 0px";
const AT_FIRST = 3; // Chunks that are drawn without waiting for what is seen.
const LONG = 4_000; // Lines from which a diff is drawn only in part.
const REST = 40; // Milliseconds between chunks that are drawn ahead.
const MINUTE = 60_000;
const LAYOUT = "diff-layout";

/**
 * @param {import("../app/main.js").App} app
 * @param {import("../types.js").Artifact} artifact
 * @param {import("./comments.js").Comments} comments
 */
export function createDiff(app, artifact, comments) {
  const files = parseDiff(artifact.content ?? "");
  const total = files.flatMap(({ hunks }) => hunks).reduce((sum, { lines }) => sum + lines.length, 0);
  const commentable = app.may("create") ? artifact.id : null;
  /** @type {Set<File>} */
  const folded = new Set();
  /** @type {Map<File, Element>} */
  const heads = new Map();
  /** @type {{split: boolean, chunks: Map<File, Chunk[]>}} */
  let laidOut = { split: false, chunks: new Map() };
  /** @type {WeakMap<Element, Chunk>} */
  const standing = new WeakMap();
  const watch = new IntersectionObserver(look, { rootMargin: NEAR });
  let placed = { version: -1, at: place(files, []) };
  let wide = false;
  let version = 0;
  let ahead = 0;
  let drawn = { stamp: "", node: /** @type {VElement | null} */ (null) };

  function changed() {
    version += 1;
    app.redraw();
  }

  function isSplit() {
    return wide && localStorage.getItem(LAYOUT) === "split";
  }

  /** @param {IntersectionObserverEntry[]} entries */
  function look(entries) {
    for (const { target, isIntersecting, boundingClientRect } of entries) {
      const chunk = standing.get(target);
      if (chunk === undefined || boundingClientRect.height === 0) continue;
      if (isIntersecting) near(chunk);
      else if (total > LONG && chunk.near && !target.contains(document.activeElement))
        Object.assign(chunk, { near: false, height: boundingClientRect.height, node: null });
    }
    changed();
    drawAhead();
  }

  /** @param {Chunk} chunk */
  function near(chunk) {
    if (!chunk.near) Object.assign(chunk, { near: true, node: null });
  }

  /** What is not long is drawn to its end little by little, so that the browser's search finds all. */
  function drawAhead() {
    if (total > LONG || ahead) return;
    ahead = setTimeout(() => {
      ahead = 0;
      const next = [...laidOut.chunks.values()].flat().find((chunk) => !chunk.near);
      if (next === undefined) return;
      near(next);
      changed();
      drawAhead();
    }, REST);
  }

  /** @param {File} file @returns {Chunk[]} */
  function chunksOf(file) {
    const known = laidOut.chunks.get(file);
    if (known) return known;
    const before = [...laidOut.chunks.values()].flat().length;
    const chunks = chunked(itemsOf(file, laidOut.split)).map((items, at) => ({
      items,
      starts: items.flatMap(linesOf).map(({ start }) => start),
      near: before + at < AT_FIRST,
      height: 0,
      lines: null,
      node: null,
    }));
    laidOut.chunks.set(file, chunks);
    return chunks;
  }

  function placement() {
    if (placed.version !== comments.version)
      placed = { version: comments.version, at: place(files, comments.list) };
    return placed.at;
  }

  /** @param {Chunk} chunk */
  function chunkView(chunk) {
    const { lines } = placement();
    const spoken = chunk.starts.filter((start) => lines.has(start) || comments.isOpen(String(start)));
    if (spoken.length > 0) {
      chunk.node = null;
      return box(chunk, withThreads(chunk, new Set(spoken)));
    }
    chunk.node ??= box(chunk, chunk.near ? linesDrawn(chunk) : []);
    return chunk.node;
  }

  /** @param {Chunk} chunk @param {import("../app/vdom.js").Child} inside */
  function box(chunk, inside) {
    const size = chunk.height ? `${chunk.height}px` : `calc(var(--line-height) * ${chunk.items.length})`;
    const empty = Array.isArray(inside) && inside.length === 0;
    return h(
      "div",
      {
        class: "chunk",
        key: chunk.starts[0],
        style: empty ? { "block-size": size } : {},
        ref(/** @type {Element} */ element) {
          standing.set(element, chunk);
          watch.observe(element);
          return () => watch.unobserve(element);
        },
      },
      inside,
    );
  }

  /** @param {Chunk} chunk */
  function linesDrawn(chunk) {
    chunk.lines ??= chunk.items.map((item, at) => itemView(item, commentable, at === firstLine(chunk)));
    return chunk.lines;
  }

  /** @param {Chunk} chunk @param {Set<number>} spoken */
  function withThreads(chunk, spoken) {
    const { lines } = placement();
    const views = linesDrawn(chunk);
    return chunk.items.flatMap((item, at) => [
      views[at],
      ...linesOf(item)
        .filter(({ start }) => spoken.has(start))
        .map(({ start }) =>
          comments.thread(lines.get(start) ?? [], String(start), { opener: lineId(artifact.id, start) }),
        ),
    ]);
  }

  /** @param {File} file */
  function fileView(file) {
    const open = !folded.has(file);
    return h(
      "section",
      { class: "file", key: file.headers[0]?.start ?? file.hunks[0]?.lines[0]?.start ?? 0 },
      fileHead(file, open),
      open && [
        h("div", { class: "lines" }, chunksOf(file).map(chunkView)),
        file.hunks.length === 0 && h("p", { class: "unsaid" }, emptyFile(file)),
        comments.thread(placement().files.get(file) ?? [], `file-${file.path}`, { quoting: true }),
      ],
    );
  }

  /** @param {File} file @param {boolean} open */
  function fileHead(file, open) {
    if (file.status === "plain" && file.path === "") return null;
    return h(
      "header",
      {
        class: "file-head",
        ref(/** @type {Element} */ element) {
          heads.set(file, element);
        },
      },
      h(
        "h4",
        null,
        h(
          "button",
          { type: "button", class: "quiet", "aria-expanded": String(open), onclick: () => fold(file) },
          icon("down"),
          h("span", { class: "path" }, h("bdi", null, visible(file.path))),
        ),
      ),
      whatHappened(file).map((word) => h("span", { class: "chip", title: word, key: word }, word)),
      file.added + file.removed > 0 && counts(file),
    );
  }

  /** @param {File} file */
  function fold(file) {
    if (!folded.delete(file)) folded.add(file);
    changed();
  }

  function foldAll() {
    const all = folded.size < files.length;
    folded.clear();
    if (all) for (const file of files) folded.add(file);
    changed();
  }

  /** @param {File} file */
  function jump(file) {
    folded.delete(file);
    changed();
    heads.get(file)?.closest("section")?.scrollIntoView();
  }

  /** @param {string} layout */
  function choose(layout) {
    localStorage.setItem(LAYOUT, layout);
    changed();
  }

  /** @param {MouseEvent} event */
  function onclick(event) {
    const button = /** @type {Element} */ (event.target).closest("button[data-start]");
    if (!(button instanceof HTMLElement)) return;
    const end = Number(button.dataset["start"]);
    const from = event.shiftKey ? lastOpened : end;
    const lines = between(files, from, end);
    const last = lines.at(-1);
    if (last === undefined) return;
    lastOpened = end;
    const what = lines.length === 1 ? `line ${last.after ?? last.before}` : plural(lines.length, "line");
    comments.open(String(last.start), { selection: select(lines), label: `Comment on ${what}` });
  }
  let lastOpened = -1;

  function toolbar() {
    const named = files.filter(({ path }) => path !== "");
    const sum = named.reduce(
      (all, { added, removed }) => ({ added: all.added + added, removed: all.removed + removed }),
      { added: 0, removed: 0 },
    );
    return h(
      "div",
      { class: "diff-bar" },
      h(
        "details",
        { class: "file-list" },
        h("summary", null, plural(named.length, "file"), " changed ", counts(sum)),
        h("ul", null, named.map((file, at) => h("li", { key: at }, link(file)))),
      ),
      h(
        "div",
        { class: "actions" },
        named.length > 1 &&
          h("button", { type: "button", class: "quiet", onclick: foldAll }, folded.size < files.length ? "Fold all" : "Unfold all"),
        wide && layouts(),
      ),
    );
  }

  /** @param {File} file */
  function link(file) {
    return h(
      "button",
      { type: "button", class: "quiet", onclick: () => jump(file) },
      h("bdi", { class: "path" }, visible(file.path)),
      counts(file),
    );
  }

  function layouts() {
    return h(
      "div",
      { class: "choice", role: "group", "aria-label": "Layout of the diff" },
      [["unified", "Unified"], ["split", "Side by side"]].map(([layout = "", name]) =>
        h(
          "button",
          { type: "button", key: layout, "aria-pressed": String((layout === "split") === isSplit()), onclick: () => choose(layout) },
          name,
        ),
      ),
    );
  }

  /** @param {HTMLElement} element */
  function ref(element) {
    const size = new ResizeObserver(() => {
      const now = element.clientWidth >= WIDE;
      if (now !== wide) {
        wide = now;
        changed();
      }
    });
    size.observe(element);
    return () => size.disconnect();
  }

  function whole() {
    if (laidOut.split !== isSplit()) laidOut = { split: isSplit(), chunks: new Map() };
    return h(
      "div",
      { class: ["diff", laidOut.split && "split"], onclick, onkeydown: walk, ref },
      toolbar(),
      files.map(fileView),
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
    close() {
      watch.disconnect();
      clearTimeout(ahead);
    },
  };
}

/** @param {Chunk} chunk */
function firstLine(chunk) {
  return chunk.items.findIndex(({ kind }) => kind !== "hunk");
}

/** The arrows go from line to line. @param {KeyboardEvent} event */
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const here = /** @type {Element} */ (event.target);
  if (step === undefined || !here.matches("button[data-start]")) return;
  const all = [.../** @type {Element} */ (event.currentTarget).querySelectorAll("button[data-start]")];
  const next = all[all.indexOf(here) + step];
  if (!(next instanceof HTMLElement)) return;
  event.preventDefault();
  next.focus();
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
  return [
    moved && oldPath ? `${status} from ${visible(oldPath)}` : status !== "modified" && status !== "plain" && status,
    binary && "binary",
    oldMode && newMode && oldMode !== newMode && `mode ${visible(oldMode)} → ${visible(newMode)}`,
  ].filter((word) => typeof word === "string");
}

/** @param {File} file */
function emptyFile({ binary, status }) {
  if (binary) return "A binary file: there is nothing to read.";
  return status === "added" || status === "deleted" ? "The file is empty." : "No line has changed.";
}
