// A list of rows of any height of which only what can be seen stands in the page. Heights are measured
// once rows are drawn, and before they are painted; whatever changes, what is read stays where it is.

import { h } from "../../app/vdom.js";

/**
 * @typedef {import("../../app/vdom.js").VElement} VElement
 * @typedef {{height: number, index: number}} Measured
 */

const BEYOND = 400; // Pixels above and below what can be seen.
const NEAR = 1500; // Pixels from the beginning at which more is asked for.

/**
 * @template {Measured} T
 * @param {() => void} redraw
 * @param {{estimate: (row: T) => number, near: () => void}} list `near` is called when the beginning comes near
 */
export function createRows(redraw, { estimate, near }) {
  /** @type {HTMLElement | null} */
  let box = null;
  /** @type {T[]} */
  let rows = [];
  let offsets = new Float64Array(1);
  let from = 0;
  let to = 0;
  let top = 0;
  let seen = 600;
  let width = 0;
  let following = true;
  let dirty = false;
  /** @type {{row: T, into: number} | null} what stands at the top, and how far into it */
  let anchor = null;

  function addUp() {
    if (offsets.length !== rows.length + 1) offsets = new Float64Array(rows.length + 1);
    let sum = 0;
    rows.forEach((row, index) => {
      row.index = index;
      offsets[index] = sum;
      sum += row.height || estimate(row);
    });
    offsets[rows.length] = sum;
    dirty = false;
  }

  function total() {
    return offsets[rows.length] ?? 0;
  }

  /** The row at a height. @param {number} y */
  function indexAt(y) {
    let low = 0;
    let high = rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((offsets[middle] ?? 0) <= y) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }

  /** Where the top of what is seen belongs. */
  function wanted() {
    if (following) return Math.max(0, total() - seen);
    if (anchor && rows[anchor.row.index] === anchor.row)
      return (offsets[anchor.row.index] ?? 0) + anchor.into;
    return Math.min(top, Math.max(0, total() - seen));
  }

  /** @param {number} at */
  function hold(at) {
    const row = rows[indexAt(at)];
    anchor = row ? { row, into: at - (offsets[row.index] ?? 0) } : null;
  }

  function look() {
    if (box === null || Math.abs(box.scrollTop - top) < 1) return;
    top = box.scrollTop;
    const end = top + box.clientHeight >= box.scrollHeight - 2;
    if (end !== following) redraw();
    following = end;
    hold(top);
    if (isBare()) redraw();
    if (top < NEAR) near();
  }

  /** Whether something can be seen that does not stand there. */
  function isBare() {
    return (
      (from > 0 && (offsets[from] ?? 0) > top) ||
      (to < rows.length && (offsets[to] ?? 0) < top + seen)
    );
  }

  /** After a drawing and before it is painted: measure, and put everything where it belongs. */
  function settle() {
    if (box === null || !box.isConnected) return;
    const all = /** @type {HTMLElement} */ (box.firstElementChild);
    const shown = /** @type {HTMLElement} */ (all.firstElementChild);
    let index = from;
    for (const child of shown.children) {
      const row = rows[index];
      const { height } = child.getBoundingClientRect();
      if (row && height) {
        if (Math.abs((row.height || estimate(row)) - height) > 0.01) dirty = true;
        row.height = height;
      }
      index += 1;
    }
    if (dirty) addUp();
    all.style.blockSize = `${total()}px`;
    shown.style.transform = `translateY(${offsets[from] ?? 0}px)`;
    seen = box.clientHeight || seen;
    const place = wanted();
    if (Math.abs(box.scrollTop - place) >= 1) box.scrollTop = place;
    top = box.scrollTop;
    if (isBare()) redraw();
    if (top < NEAR) near();
  }

  /** @param {HTMLElement} element */
  function ref(element) {
    box = element;
    settle();
    const watch = new ResizeObserver(() => {
      if (element.clientWidth !== width) for (const row of rows) row.height = 0;
      width = element.clientWidth;
      dirty = true;
      redraw();
    });
    watch.observe(element);
    return () => watch.disconnect();
  }

  return {
    /** Whether the end is in sight, and will be whatever comes. */
    get following() {
      return following;
    },
    toEnd() {
      following = true;
      redraw();
    },
    /** Bring a row to the middle. @param {T} row */
    reveal(row) {
      following = false;
      anchor = { row, into: -seen / 2 };
      redraw();
    },
    /** The row at the top of what is seen. */
    get first() {
      return rows[indexAt(top)];
    },
    /**
     * @param {T[]} all the same array as long as its rows are the same
     * @param {(row: T) => VElement} draw each with a `key`
     * @param {Record<string, any>} [props] of the box
     */
    view(all, draw, props = {}) {
      if (all !== rows || dirty) {
        rows = all;
        addUp();
      }
      const at = wanted();
      from = indexAt(at - BEYOND);
      to = rows.length === 0 ? 0 : indexAt(at + seen + BEYOND) + 1;
      queueMicrotask(settle);
      return h(
        "div",
        { tabindex: "0", ...props, class: ["virtual", props.class], onscroll: look, ref },
        h(
          "div",
          { class: "virtual-all" },
          h("div", { class: "virtual-window" }, rows.slice(from, to).map(draw)),
        ),
      );
    },
  };
}
