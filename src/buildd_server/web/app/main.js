// The dashboard's start: who is here, what they may see, and then one page after another.

import { ApiError, createApi } from "./api.js";
import { hearKeys } from "./keys.js";
import { createLock } from "./lock.js";
import { createOverlays } from "./overlays.js";
import { followLinks, match } from "./router.js";
import { shell } from "./shell.js";
import { createStore } from "./store.js";
import { listen } from "./stream.js";
import { patch } from "./vdom.js";

/**
 * @typedef {import("./router.js").Page} Page
 * @typedef {import("../types.js").Caller} Session
 * @typedef {ReturnType<typeof createApp>} App
 */

const PATIENCE = 1500; // Milliseconds to wait for the feed before the first page is read without it.
const CALM = 100; // Milliseconds between two drawings of what is heard.
const TICK = 10_000; // Times are told relative to now.

export function createApp() {
  /** @type {{route: string, page: Page | null, failed: string | null}} */
  let shown = { route: "", page: null, failed: null };
  let frame = 0;
  let later = 0;
  let hearing = false;
  let coming = 0;
  /** @type {ReturnType<typeof listen> | null} */
  let feed = null;
  const overlays = createOverlays(redraw);
  const api = createApi(loggedOut);
  const lock = createLock(() => app, { returned, left });
  const app = {
    api,
    store: createStore(api, redraw, isAdmin),
    overlays,
    lock,
    /** @type {Session | null} */
    session: null,
    /** @type {import("./stream.js").Status} */
    status: "connecting",
    /** Whether the server has another version of these pages by now. */
    outdated: false,
    get route() {
      return shown.route;
    },
    redraw,
    go,
    query,
    setQuery,
    act,
    /** What a key does on the page that is shown. @param {string} key */
    press: (key) => shown.page?.press?.(key) ?? false,
    may: (/** @type {import("../types.js").Scope} */ scope) =>
      app.session?.scopes.includes(scope) ?? false,
    get admin() {
      return isAdmin();
    },
    start,
    signOut,
  };

  /** @returns {boolean} */
  function isAdmin() {
    return app.session?.kind === "admin";
  }

  /** Draw again with the next frame; what others do is drawn a few times a second, however much it is. */
  function redraw() {
    if (document.hidden) document.title = title();
    if (!hearing) next();
    else if (later === 0) later = window.setTimeout(next, CALM);
  }

  function next() {
    clearTimeout(later);
    later = 0;
    if (frame === 0) frame = requestAnimationFrame(draw);
  }

  function draw() {
    frame = 0;
    document.title = title();
    patch(document.body, shell(app, shown.page, shown.failed));
  }

  function title() {
    const waiting = app.store.questions().length + app.store.approvals().length;
    const name = shown.page?.title() ?? "";
    return `${waiting ? `(${waiting}) ` : ""}${name && `${name} · `}buildd`;
  }

  /** Show the page of an address, and remember it. @param {string} path */
  function go(path) {
    if (path === location.pathname + location.search) return;
    const samePage = path.split("?")[0] === location.pathname;
    history.pushState(null, "", path);
    if (!samePage) void show();
    else redraw();
  }

  /** The page of the address as it stands. */
  async function show() {
    const ours = ++coming;
    const found = match(location.pathname);
    if (found === null) return;
    overlays.leave(); // Now: what is opened while the next page loads is not about the one before.
    try {
      const { page } = await found.route.load();
      if (ours !== coming) return;
      shown.page?.close?.();
      shown = { route: found.route.name, page: page(app, found.params), failed: null };
      scrollTo(0, 0);
    } catch (error) {
      // The server has another version now, whose files bear other names; or it is away.
      if (ours === coming) shown = { ...shown, failed: String(error) };
    }
    redraw();
  }

  /** What stands after the question mark. */
  function query() {
    return Object.fromEntries(new URLSearchParams(location.search));
  }

  /** Change what stands after the question mark; null or "" takes it away. @param {Record<string, string | null>} fields */
  function setQuery(fields) {
    const kept = Object.entries({ ...query(), ...fields }).filter(([, value]) => value);
    const text = new URLSearchParams(/** @type {[string, string][]} */ (kept)).toString();
    history.replaceState(null, "", location.pathname + (text && `?${text}`));
    redraw();
  }

  /**
   * Do what a person asked for, and tell how it went. Answers undefined if it was refused.
   * @template T
   * @param {() => Promise<T>} doing
   * @param {string} [done] what to say then
   * @returns {Promise<T | undefined>}
   */
  async function act(doing, done) {
    try {
      const answer = await doing();
      if (done) overlays.toast(done);
      return answer;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      overlays.toast(sentence(error), "error");
      return undefined;
    } finally {
      redraw();
    }
  }

  async function start() {
    followLinks(go);
    hearKeys(app);
    addEventListener("popstate", () => void show());
    addEventListener("pageshow", (event) => event.persisted && void reset());
    setInterval(redraw, TICK);
    try {
      app.session = await api.get("/auth/session");
    } catch (error) {
      if (/** @type {ApiError} */ (error).status !== 401) return failed(error);
      return loggedOut();
    }
    if (location.pathname === "/login") history.replaceState(null, "", "/");
    await begin();
  }

  async function begin() {
    await follow();
    try {
      await app.store.load();
    } catch (error) {
      return failed(error);
    }
    await show();
  }

  async function follow() {
    feed = listen({
      event(event) {
        hearing = true;
        try {
          app.store.apply(event);
          shown.page?.hear?.(event);
        } finally {
          hearing = false;
        }
      },
      reset: () => void reset(),
      status(status) {
        if (app.status === "stale" && status === "live") void look();
        app.status = status;
        redraw();
      },
      loggedOut: () => void loggedOut(),
    });
    await Promise.race([feed.ready, new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
  }

  /** A server that was away may have come back as another version, whose files bear other names. */
  async function look() {
    try {
      const { status } = await fetch(import.meta.url, { method: "HEAD", cache: "no-store" });
      app.outdated = status === 404;
      redraw();
    } catch {
      // It is away again: it is looked for when it is back.
    }
  }

  /** Events were missed: what is shown is read anew. */
  async function reset() {
    await act(() => app.store.load());
    shown.page?.reset?.();
  }

  /** @param {unknown} error */
  function failed(error) {
    shown = { ...shown, failed: error instanceof ApiError ? error.message : String(error) };
    redraw();
  }

  /** @returns {Promise<boolean> | false} whether it is worth to ask again, once that is known */
  function loggedOut() {
    feed?.close();
    if (app.session !== null && shown.page !== null) return lock.lock();
    if (shown.route === "login") return false;
    app.session = null;
    if (location.pathname !== "/login") {
      const back = location.pathname + location.search;
      history.replaceState(null, "", `/login?next=${encodeURIComponent(back)}`);
    }
    void show();
    return false;
  }

  /** Go on with the page for whoever it was drawn for; for anybody else, begin anew. */
  async function returned() {
    /** @type {Session} */
    const now = await api.get("/auth/session");
    if (identity(now) !== identity(app.session)) return location.reload();
    if (!lock.locked) return;
    app.session = now;
    lock.unlock();
    await follow();
    await reset();
  }

  async function signOut() {
    await act(async () => {
      await api.delete("/auth/session");
      lock.tell("out");
      left();
    });
  }

  function left() {
    location.assign("/login");
  }

  return app;
}

/**
 * An error as people read it: what is wrong with which field, or the whole.
 * @param {ApiError} error
 */
function sentence(error) {
  if (error.errors.length === 0) return error.message;
  return error.errors.map(({ field, message }) => `${field}: ${message}`).join("; ");
}

/** What pages depend on of who looks at them. @param {Session | null} session */
function identity(session) {
  return JSON.stringify([session?.kind, session?.accountId, session?.scopes]);
}
