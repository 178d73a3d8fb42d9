// Where a session has ended, one logs in over the page: it stands as it was left, with what was typed.
// All tabs of a browser have one session, so they tell each other who came and who went.

import { h } from "./vdom.js";

/**
 * @typedef {ReturnType<typeof createLock>} Lock
 * @typedef {"in" | "out"} Word
 */

/**
 * @param {() => import("./main.js").App} app
 * @param {{returned: () => Promise<void>, left: () => void}} then what to do when somebody has logged in, or out
 */
export function createLock(app, { returned, left }) {
  const others = new BroadcastChannel("buildd-session");
  /** @type {{opened: Promise<boolean>, open: () => void} | null} */
  let locked = null;
  /** @type {ReturnType<typeof import("../parts/forms.js").createForm> | null} */
  let form = null;

  others.onmessage = ({ data }) => {
    if (data === "out") left();
    else if (locked) void returned().catch(() => {}); // Whoever looks at this tab can log in here.
  };

  function tell(/** @type {Word} */ word) {
    others.postMessage(word);
  }

  /** Answers true as soon as somebody has logged in again. @returns {Promise<boolean>} */
  function lock() {
    if (locked === null) {
      const made = { opened: Promise.resolve(true), open: () => {} };
      made.opened = new Promise((resolve) => {
        made.open = () => resolve(true);
      });
      locked = made;
      void ask();
    }
    return locked.opened;
  }

  async function ask() {
    try {
      const { loginForm } = await import("../pages/login.js");
      form = loginForm(app(), () => {
        tell("in");
        void app().act(returned);
      });
    } catch {
      left(); // Another version of the server, and somebody to log in: nothing of this page goes on.
    }
    app().redraw();
  }

  return {
    lock,
    tell,
    get locked() {
      return locked !== null;
    },
    unlock() {
      locked?.open();
      locked = null;
      form = null;
      app().redraw();
    },
    view: () => locked && form && lockView(form.view()),
  };
}

/** @param {import("./vdom.js").Child} form */
function lockView(form) {
  return h(
    "dialog",
    {
      class: "lock",
      key: "lock",
      "aria-label": "Log in again",
      oncancel: (/** @type {Event} */ event) => event.preventDefault(),
      // A browser closes it all the same when the key is hit twice.
      onclose: (/** @type {Event & {target: HTMLDialogElement}} */ { target }) =>
        target.showModal(),
      ref: (/** @type {HTMLDialogElement} */ made) => made.showModal(),
    },
    h(
      "div",
      { class: "dialog-inside" },
      h("h2", null, "Log in again"),
      h("p", null, "Your session has ended. The page stands as you left it."),
      form,
    ),
  );
}
