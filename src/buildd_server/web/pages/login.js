// Who are you? A key, once; the browser keeps a session and never the key.

import { ApiError } from "../app/api.js";
import { match } from "../app/router.js";
import { h, safeAddress } from "../app/vdom.js";
import { createForm } from "../parts/forms.js";
import { icon } from "../parts/icons.js";
import { copyable } from "../parts/pieces.js";

/** @type {import("../app/router.js").PageMaker} */
export function page(app) {
  const form = loginForm(app, () => {
    app.lock.tell("in");
    location.assign(next());
  });
  return {
    title: () => "Log in",
    view: () =>
      h(
        "div",
        { class: "login" },
        h("p", { class: "brand" }, icon("mark"), h("b", null, "buildd")),
        h("h1", null, "Log in"),
        form.view(),
        h(
          "details",
          null,
          h("summary", null, "I have no key"),
          h("p", null, "Whoever runs this server makes one, on its machine:"),
          copyable(app, "buildd admin-key --name 'your name'"),
        ),
      ),
  };
}

/**
 * What asks for a key.
 * @param {import("../app/main.js").App} app
 * @param {() => void} done
 */
export function loginForm(app, done) {
  return createForm(app, {
    fields: [
      {
        name: "key",
        label: "Key",
        type: "password",
        required: true,
        focus: true,
        hint: "An administrator's, or an account's. It is not kept in this browser.",
      },
    ],
    action: "Log in",
    send: ({ key }) => logIn(key ?? ""),
    done,
  });
}

/** @param {string} key */
async function logIn(key) {
  let response;
  try {
    const authorization = `Bearer ${utf8(key.trim())}`;
    response = await fetch("/api/auth/session", { method: "POST", headers: { authorization } });
  } catch {
    throw new ApiError(0, { detail: "The server cannot be reached just now." });
  }
  if (response.ok) return;
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401)
    problem.detail = "No such key: it may have been revoked, or have ended.";
  throw new ApiError(response.status, problem);
}

/** Headers carry bytes; an administrator's key may be any text. @param {string} text */
function utf8(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/** Where its reader wanted to go: a page of ours, or the board. */
function next() {
  const wanted = new URLSearchParams(location.search).get("next") ?? "/";
  const safe = safeAddress(wanted);
  return safe?.startsWith("/") && match(safe.split("?")[0] ?? "") ? safe : "/";
}
