// Entities by id, and lists made from them that are sorted anew only when something has changed.

/**
 * @template {{id: string}} T
 */
export class Collection {
  constructor() {
    /** @type {Map<string, T>} */
    this.byId = new Map();
    this.version = 0;
    /** @type {{version: number, list: T[]}} */
    this._newest = { version: -1, list: [] };
    /** @type {string[] | null} The ids, newest first, until one comes or goes. */
    this._order = null;
  }

  /** @param {string | null | undefined} id */
  get(id) {
    return id ? this.byId.get(id) : undefined;
  }

  /** @param {T} entity */
  put(entity) {
    if (!this.byId.has(entity.id)) this._order = null;
    this.byId.set(entity.id, entity);
    this.version += 1;
    return entity;
  }

  /** @param {Iterable<T>} entities */
  putAll(entities) {
    for (const each of entities) this.put(each);
  }

  /**
   * Change some fields of an entity that is known.
   * @param {string | null | undefined} id
   * @param {Partial<T>} fields
   * @returns {boolean} whether it is known
   */
  amend(id, fields) {
    const known = this.get(id);
    if (known === undefined) return false;
    this.put({ ...known, ...fields });
    return true;
  }

  /** @param {string | null | undefined} id */
  remove(id) {
    if (!id || !this.byId.delete(id)) return;
    this._order = null;
    this.version += 1;
  }

  /** These, and no others. @param {Iterable<T>} entities */
  replace(entities) {
    this.clear();
    this.putAll(entities);
  }

  clear() {
    this.byId.clear();
    this._order = null;
    this.version += 1;
  }

  /** All, newest first: ids grow with time. */
  newest() {
    if (this._newest.version !== this.version) {
      this._order ??= [...this.byId.keys()].sort((a, b) => (a < b ? 1 : -1));
      const list = this._order.map((id) => /** @type {T} */ (this.byId.get(id)));
      this._newest = { version: this.version, list };
    }
    return this._newest.list;
  }
}

/**
 * What is worked out from a collection, anew only when the collection has changed.
 * @template {{id: string}} T
 * @template R
 * @param {Collection<T>} collection
 * @param {(newest: T[]) => R} work
 * @returns {() => R}
 */
export function derived(collection, work) {
  /** @type {{version: number, made: R} | null} */
  let known = null;
  return () => {
    if (known?.version !== collection.version)
      known = { version: collection.version, made: work(collection.newest()) };
    return known.made;
  };
}
