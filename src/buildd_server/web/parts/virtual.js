// A long list of which only what can be seen stands in the page; all its items are equally high.
// One that follows shows its end, whatever is added there, until its reader scrolls up. One whose items
// have names stays at the item that its reader sees, whatever is added above.

import { h } from "../app/vdom.js";

const MORE = 6; // Items beyond what can be seen, above and below.
const UPWARDS = new Set(["ArrowUp", "PageUp", "Home"]);

/**
 * @template T
 * @param {() => void} redraw
 * @param {{height: number, near?: () => void, follows?: boolean, nameOf?: (item: T) => string}} list
 *   pixels of an item; `near` is called when the end comes into sight
 */
export function createVirtual(redraw, { height, near, follows = false, nameOf }) {
  /** @type {HTMLElement | null} */
  let box = null;
  let top = 0;
  let seen = 600;
  let first = 0;
  let following = follows;
  let anchor = { name: "", index: 0 };

  function look() {
    if (box === null) return;
    if (!isAtEnd(box)) follow(following && box.scrollTop >= top);
    else if (box.scrollTop > top) follow(follows);
    top = box.scrollTop;
    seen = box.clientHeight || seen;
    const now = Math.floor(top / height);
    if (now !== first) {
      first = now;
      redraw();
    }
  }

  /** @param {boolean} now */
  function follow(now) {
    if (now === following) return;
    following = now;
    redraw();
  }

  /** Whoever begins to scroll up is let go at once: the next item would take them back to the end. */
  function leave() {
    if (box && box.scrollTop > 0) follow(false);
  }

  /** @param {HTMLElement} element */
  function isAtEnd(element) {
    return element.scrollHeight - element.scrollTop - element.clientHeight < 1;
  }

  function toEnd() {
    if (box === null) return;
    box.scrollTop = box.scrollHeight;
    top = box.scrollTop;
  }

  /** @param {HTMLElement} element */
  function ref(element) {
    box = element;
    let returns = true;
    const watch = new ResizeObserver(() => {
      // Shown again, by a page that kept the list: where its reader left it.
      if (returns) element.scrollTop = top;
      returns = false;
      look();
      redraw();
    });
    watch.observe(element);
    return () => watch.disconnect();
  }

  /** @param {T[]} items @param {(item: T) => string} name */
  function stay(items, name) {
    const there = items[anchor.index];
    if (top > 0 && anchor.name && (there === undefined || name(there) !== anchor.name)) {
      const now = items.findIndex((each) => name(each) === anchor.name);
      if (now >= 0) {
        top += (now - anchor.index) * height;
        // Once the list is as long as it has become.
        queueMicrotask(() => box?.scrollTo({ top }));
      }
    }
    const index = Math.floor(top / height);
    const item = items[index];
    anchor = { index, name: item === undefined ? "" : name(item) };
  }

  return {
    /** Bring an item into sight. @param {number} index */
    reveal(index) {
      if (box === null) return;
      if (index * height < box.scrollTop) box.scrollTop = index * height;
      else if ((index + 1) * height > box.scrollTop + box.clientHeight)
        box.scrollTop = (index + 1) * height - box.clientHeight;
    },
    /** Whether it shows its end and goes along with it. */
    get following() {
      return following;
    },
    toEnd() {
      following = follows;
      toEnd();
    },
    /**
     * @param {T[]} items
     * @param {(item: T, index: number) => import("../app/vdom.js").VElement} draw each with a `key`
     * @param {Record<string, any>} [props] of the box
     */
    view(items, draw, props = {}) {
      if (following) {
        top = Math.max(0, items.length * height - seen);
        queueMicrotask(toEnd);
      }
      if (nameOf) stay(items, nameOf);
      const from = Math.max(0, Math.floor(top / height) - MORE);
      const to = Math.min(items.length, Math.ceil((top + seen) / height) + MORE);
      if (near && to >= items.length) queueMicrotask(near);
      return h(
        "div",
        {
          tabindex: "0",
          onwheel: (/** @type {WheelEvent} */ event) => event.deltaY < 0 && leave(),
          ontouchmove: leave,
          onkeydown: (/** @type {KeyboardEvent} */ event) => UPWARDS.has(event.key) && leave(),
          ...props,
          class: ["virtual", props.class],
          onscroll: look,
          ref,
        },
        h(
          "div",
          { class: "virtual-all", style: { "block-size": `${items.length * height}px` } },
          h(
            "div",
            { class: "virtual-window", style: { transform: `translateY(${from * height}px)` } },
            items.slice(from, to).map((item, index) => draw(item, from + index)),
          ),
        ),
      );
    },
  };
}
