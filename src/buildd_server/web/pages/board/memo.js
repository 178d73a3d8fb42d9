// Nodes that need not be made again: drawing skips what is the very same as before.

/** @typedef {import("../../app/vdom.js").VElement} VElement */

const MOST = 1000;

/** Remembers a node by its key, as long as the parts that it is made of are the same. */
export function createMemo() {
  /** @type {Map<string, {parts: unknown[], node: VElement}>} */
  let kept = new Map();

  /**
   * @param {string} key
   * @param {unknown[]} parts
   * @param {() => VElement} draw
   */
  return (key, parts, draw) => {
    const known = kept.get(key);
    if (known?.parts.every((each, index) => each === parts[index])) return known.node;
    if (kept.size >= MOST) kept = new Map();
    const node = draw();
    kept.set(key, { parts, node });
    return node;
  };
}
