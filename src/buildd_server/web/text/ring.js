// The newest of what comes, up to a number: memory that cannot grow however long a page stays open.

/**
 * @template T
 * @param {number} size
 */
export function createRing(size) {
  /** @type {T[]} */
  let kept = [];
  let start = 0;
  /** @type {T[] | null} */
  let listed = null;

  return {
    /** @param {T} item */
    push(item) {
      listed = null;
      if (kept.length < size) kept.push(item);
      else {
        kept[start] = item;
        start = (start + 1) % size;
      }
    },
    /** Put older ones before all others, as far as there is room: the newest of them. @param {T[]} older */
    fill(older) {
      const now = this.list();
      const room = Math.max(0, size - now.length);
      kept = [...older.slice(Math.max(0, older.length - room)), ...now];
      start = 0;
      listed = null;
    },
    /** Oldest to newest; the same list for as long as nothing is added. */
    list() {
      listed ??= [...kept.slice(start), ...kept.slice(0, start)];
      return listed;
    },
  };
}
