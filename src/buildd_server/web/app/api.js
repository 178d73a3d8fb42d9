// The HTTP API as the pages call it: JSON in and out, and every refusal as one kind of error.

import { setClock } from "./clock.js";

/**
 * @typedef {{query?: Record<string, unknown>, body?: unknown, ifMatch?: string,
 *   idempotencyKey?: string, signal?: AbortSignal}} Options
 * @typedef {{items: any[], next: string | null}} Page
 */

const PATIENCE = 5; // How many times a request goes out again.

/** What the server refused, in its own words, or that it could not be reached. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 if there was no answer
   * @param {Record<string, any>} problem the problem document
   */
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.status = status;
    /** @type {string} */
    this.code = problem.code ?? "unexpected";
    /** @type {{field: string, message: string}[]} */
    this.errors = problem.errors ?? [];
    /** @type {string | undefined} */
    this.reason = problem.reason;
    /** @type {number} seconds after which it may be asked again */
    this.retryAfter = problem.retryAfter ?? 1;
  }

  /** Whether it may be otherwise soon: the server is away, or in trouble. */
  get passes() {
    return this.status === 0 || this.status >= 500;
  }
}

/**
 * @typedef {ReturnType<typeof createApi>} Api
 * @param {() => Promise<boolean> | false} loggedOut called when the server asks who we are; answers
 *   whether it knows by now
 */
export function createApi(loggedOut) {
  /**
   * What was refused because it came too soon, or as nobody's, has done nothing, and goes out again.
   * @param {string} method
   * @param {string} path
   * @param {Options} [options]
   */
  async function send(method, path, options = {}) {
    for (let left = PATIENCE; ; left -= 1) {
      try {
        return await sendOnce(method, path, options);
      } catch (error) {
        if (!(error instanceof ApiError) || left === 0 || !(await again(error))) throw error;
      }
    }
  }

  /** Whether what was refused may go out again, once it may. @param {ApiError} error */
  async function again({ status, retryAfter }) {
    if (status === 401) return loggedOut();
    if (status === 429) await new Promise((resolve) => setTimeout(resolve, 1000 * retryAfter));
    return status === 429;
  }

  /** @param {string} method @param {string} path @param {Options} options */
  async function sendOnce(method, path, options) {
    const response = await reached(address(path, options.query), {
      method,
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      headers: {
        ...(options.body === undefined ? {} : { "content-type": "application/json" }),
        ...(options.ifMatch ? { "if-match": options.ifMatch } : {}),
        ...(options.idempotencyKey ? { "idempotency-key": options.idempotencyKey } : {}),
      },
      ...(options.signal ? { signal: options.signal } : {}),
    });
    if (response.ok) return response;
    throw new ApiError(response.status, await problem(response));
  }

  return {
    send,
    /** @param {string} path @param {Record<string, unknown>} [query] @param {AbortSignal} [signal] */
    async get(path, query = {}, signal = undefined) {
      return (await send("GET", path, signal ? { query, signal } : { query })).json();
    },
    /**
     * One thing, and the tag that a change of it gives back as `ifMatch`.
     * @param {string} path
     * @returns {Promise<{thing: any, tag: string}>}
     */
    async tagged(path) {
      const response = await send("GET", path);
      // A proxy that compresses makes tags weak, and weak ones match nothing.
      const tag = (response.headers.get("etag") ?? "").replace(/^W\//, "");
      return { thing: await response.json(), tag };
    },
    /** @param {string} path @param {unknown} [body] @param {string} [idempotencyKey] makes it safe to send twice */
    async post(path, body = {}, idempotencyKey = "") {
      return (await send("POST", path, { body, idempotencyKey })).json();
    },
    /** @param {string} path @param {unknown} body @param {string} [ifMatch] */
    async patch(path, body, ifMatch) {
      return (await send("PATCH", path, ifMatch ? { body, ifMatch } : { body })).json();
    },
    /** @param {string} path */
    async delete(path) {
      const response = await send("DELETE", path);
      return response.status === 204 ? null : response.json();
    },
    /**
     * One page of a list, and the cursor of the next.
     * @param {string} path
     * @param {Record<string, unknown>} [query]
     * @returns {Promise<Page>}
     */
    async page(path, query = {}) {
      const response = await send("GET", path, { query: { limit: 200, ...query } });
      const items = await response.json();
      const more = /rel="next"/.test(response.headers.get("link") ?? "");
      return { items, next: more ? items.at(-1).id : null };
    },
    /**
     * A whole list, up to a number of entries.
     * @param {string} path
     * @param {Record<string, unknown>} [query]
     * @param {number} [most]
     * @returns {Promise<any[]>}
     */
    async all(path, query = {}, most = 2000) {
      /** @type {any[]} */
      const items = [];
      /** @type {string | null} */
      let cursor = null;
      do {
        const page = await this.page(path, cursor ? { ...query, cursor } : query);
        items.push(...page.items);
        cursor = page.next;
      } while (cursor !== null && items.length < most);
      return items;
    },
  };
}

/**
 * @param {string} path
 * @param {Record<string, unknown>} [query]
 */
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value != null && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return `/api${path}${text && `?${text}`}`;
}

/**
 * @param {string} url
 * @param {RequestInit} init
 */
async function reached(url, init) {
  try {
    const response = await fetch(url, { ...init, credentials: "same-origin", redirect: "error" });
    setClock(response);
    return response;
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, {
      code: "unreachable",
      detail: "The server cannot be reached just now.",
    });
  }
}

/** @param {Response} response */
async function problem(response) {
  try {
    return await response.json();
  } catch {
    return { title: response.statusText };
  }
}
