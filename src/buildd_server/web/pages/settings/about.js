// About this server and its reader: which version, who one is here, what one may, and a way out.

import { h } from "../../app/vdom.js";
import { slots, spentToday } from "../../parts/bars.js";
import { button, facts, part, when } from "../../parts/pieces.js";
import { chip } from "../../parts/states.js";

/**
 * @typedef {import("../../app/main.js").App} App
 */

/** @type {Record<string, string>} */
const MEANINGS = {
  read: "look at things, and listen to events",
  create: "put tasks in, and steer them",
  claim: "take up tasks, and report on them",
  admin: "administer accounts, keys, workspaces and pools",
};

/** @param {App} app */
export function createAbout(app) {
  let version = "";

  async function read() {
    const [document] = await Promise.all([
      app.act(() => app.api.get("/openapi.json")),
      app.act(app.store.readAccounts),
    ]);
    version = document?.info.version ?? version;
    app.redraw();
  }

  /** @param {import("../../types.js").Caller} session */
  function who({ scopes, keyId, expiresAt, accountId }) {
    const account = app.store.accounts.get(accountId);
    return part(
      "You",
      null,
      facts([
        ["Here as", app.admin ? "an administrator" : (account?.name ?? "an account")],
        account && ["Type", chip(account.type)],
        account && ["Workers", slots(account)],
        account && ["Spent today", spentToday(account)],
        ["May", scopeList(scopes)],
        keyId && ["Key", h("code", null, keyId)],
        [
          "Logged in",
          expiresAt
            ? ["ends ", when(expiresAt)]
            : "local mode: nobody is asked for a key on this machine",
        ],
      ]),
      expiresAt && button("Log out", app.signOut),
      !app.admin && account && workspaces(app),
      !app.admin &&
        h(
          "p",
          { class: "soft" },
          "Keys, grants, pools and hooks decide what others may do, so only administrators see them here.",
        ),
    );
  }

  return {
    read,
    view: () => [
      app.session && who(app.session),
      part(
        "Server",
        null,
        facts([
          ["Version", version ? `buildd ${version}` : "…"],
          ["Address", h("code", null, location.origin)],
          ["API", h("a", { href: "/api/docs" }, "how programs use it")],
        ]),
      ),
    ],
  };
}

/** @param {App} app */
function workspaces(app) {
  const seen = app.store.workspaces.newest();
  return h(
    "p",
    null,
    seen.length ? "Workspaces that you may see: " : "No workspace is granted to this account yet.",
    seen.map(({ id, name }, index) => [
      index > 0 && ", ",
      h("a", { key: id, href: `/workspaces/${id}` }, name),
    ]),
  );
}

/** @param {string[]} names */
function scopeList(names) {
  return h(
    "ul",
    { class: "scopes" },
    names.map((name) => h("li", { key: name }, chip(name), " ", MEANINGS[name] ?? "")),
  );
}
