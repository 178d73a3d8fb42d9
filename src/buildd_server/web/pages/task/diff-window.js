// Which chunks of a diff stand in the page: those near what is seen, and few of them with each frame,
// so that even the longest diff never holds the page up.

import { h } from "../../app/vdom.js";
import { rowsOf } from "../../text/diff-chunks.js";

/**
 * @typedef {import("../../app/vdom.js").VElement} VElement
 * @typedef {import("../../text/diff-chunks.js").Chunk} Chunk
 * @typedef {{chunk: Chunk, split: boolean, near: boolean, height: number, lines: VElement[] | null,
 *   node: VElement | null}} Pane What is known of a chunk in one layout; `lines` once it was drawn.
 */

const NEAR = "800px 0px";
const WITH_A_FRAME = 2;
const REST = 40; // Milliseconds between chunks that are drawn ahead.

/**
 * @param {() => void} changed
 * @param {boolean} long whether what is far away is taken out again
 */
export function createWindow(changed, long) {
  /** @type {WeakMap<Element, Pane>} */
  const standing = new WeakMap();
  /** @type {Pane[]} that are near, but not drawn yet */
  let coming = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let ahead;
  const watch = new IntersectionObserver(look, { rootMargin: NEAR });

  /** @param {IntersectionObserverEntry[]} entries */
  function look(entries) {
    const middle = innerHeight / 2;
    const distance = (/** @type {DOMRectReadOnly} */ { top, bottom }) =>
      Math.max(top - middle, middle - bottom, 0);
    for (const { target, isIntersecting, boundingClientRect } of entries.toSorted(
      (one, other) => distance(one.boundingClientRect) - distance(other.boundingClientRect),
    )) {
      const pane = standing.get(target);
      if (pane === undefined || boundingClientRect.height === 0) continue;
      coming = coming.filter((each) => each !== pane);
      if (!isIntersecting) leave(pane, target);
      else if (!pane.near) coming.push(pane);
    }
    changed();
  }

  /** @param {Pane} pane @param {Element} element */
  function leave(pane, element) {
    if (!long || !pane.near || element.contains(document.activeElement)) return;
    const { height } = element.getBoundingClientRect();
    Object.assign(pane, { near: false, height, node: null });
  }

  return {
    /** Let the next few in: to be called with each frame. */
    admit() {
      for (const pane of coming.splice(0, WITH_A_FRAME))
        Object.assign(pane, { near: true, node: null });
      if (coming.length > 0) requestAnimationFrame(changed);
    },
    /**
     * Draw what is not long to its end, little by little, so that the browser's search finds all.
     * @param {() => Pane | undefined} next
     */
    drawAhead(next) {
      if (long || ahead) return;
      ahead = setTimeout(() => {
        ahead = undefined;
        const pane = next();
        if (pane === undefined) return;
        coming.push(pane);
        changed();
      }, REST);
    },
    /** @param {Pane} pane @param {import("../../app/vdom.js").Child} inside */
    box(pane, inside) {
      const { chunk, near, height, split } = pane;
      const size = height ? `${height}px` : `calc(var(--line-height) * ${rowsOf(chunk, split)})`;
      return h(
        "div",
        {
          class: "chunk",
          key: `${chunk.from} ${split}`,
          style: near ? {} : { "block-size": size },
          ref(/** @type {Element} */ element) {
            standing.set(element, pane);
            watch.observe(element);
            return () => watch.unobserve(element);
          },
        },
        near && inside,
      );
    },
    close() {
      watch.disconnect();
      clearTimeout(ahead);
    },
  };
}
