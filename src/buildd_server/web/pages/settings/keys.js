// Keys: administrators' and those of accounts. A key is seen once; from then on only what it may and when it was used.

import { ApiError } from "../../app/api.js";
import { now } from "../../app/clock.js";
import { h } from "../../app/vdom.js";
import { ask, boxes, shownOnce, ticked } from "../../parts/dialogs.js";
import { button, copyable, named, part, select, shortId, table, when } from "../../parts/pieces.js";
import { chip } from "../../parts/states.js";
import { CREATE_ACCOUNT, READ_KEY } from "../../text/commands.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Key} Key
 * @typedef {{tone: string, word: string, until?: string, over: boolean}} KeyState
 */

const DAY = 86_400;
/** @type {[string, string][]} */
const LIVES = [
  ["", "until it is revoked"],
  [String(DAY), "one day"],
  [String(7 * DAY), "one week"],
  [String(30 * DAY), "30 days"],
  [String(90 * DAY), "90 days"],
  [String(365 * DAY), "one year"],
];
/** @type {[string, string][]} */
export const OVERLAPS = [
  [String(DAY), "one day"],
  ["3600", "one hour"],
  [String(7 * DAY), "one week"],
  [String(30 * DAY), "30 days"],
  ["0", "not at all"],
];
/** @type {[string, string][]} */
const SCOPES = [
  ["read", "read: look at things"],
  ["create", "create: put in and steer tasks"],
  ["claim", "claim: take up tasks, as agents do"],
];
/** @type {[string, string]} */
const ADMIN = ["admin", "admin: administer"];

/** Whether a key still works, and until when. @param {Key} key @param {number} now @returns {KeyState} */
export function keyState({ revokedAt, expiresAt, replacedBy }, now) {
  if (revokedAt) return { tone: "bad", word: "revoked", over: true };
  if (!expiresAt) return { tone: "good", word: "works", over: false };
  if (Date.parse(expiresAt) <= now) return { tone: "mute", word: "expired", over: true };
  const word = replacedBy ? "replaced, ends" : "ends";
  return { tone: replacedBy ? "ask" : "good", word, until: expiresAt, over: false };
}

/** @param {App} app */
export function createKeys(app) {
  /** @type {Map<string, Key[]>} by the path of the list */
  const lists = new Map();
  /** @type {Set<string>} those that were asked for: an account's when it is first chosen */
  const asked = new Set();
  const administers = app.may("admin");

  function account() {
    const accounts = app.store.accounts.newest();
    return app.store.accounts.get(app.query().account) ?? accounts[0];
  }

  const accountPath = () => (account() ? `/accounts/${account()?.id}/keys` : null);

  async function read() {
    await Promise.all([load("/admin-keys"), load(accountPath())]);
  }

  /** @param {string | null} path */
  async function load(path) {
    if (path === null) return;
    asked.add(path);
    const keys = await app.act(() => app.api.all(path));
    if (keys) lists.set(path, keys);
    app.redraw();
  }

  /** @param {string} path @param {string} whose */
  async function create(path, whose) {
    const ofAdmin = path === "/admin-keys";
    const first = ofAdmin && !(lists.get(path) ?? []).some((key) => !keyState(key, now()).over);
    const scopes = ofAdmin ? [ADMIN, ...SCOPES] : SCOPES;
    const made = await ask(app, `New key of ${whose}`, {
      fields: [
        {
          name: "name",
          label: "Name",
          hint: "The machine, program or person that has it.",
          placeholder: ofAdmin ? "Max" : "laptop",
          focus: true,
        },
        { name: "expiresInSeconds", label: "Works", options: LIVES },
      ],
      extra: [
        boxes(
          "scope",
          "Good for",
          scopes,
          scopes.map(([scope]) => scope),
        ),
        first &&
          h(
            "p",
            { class: "once" },
            "The first administrator's key ends local mode: from then on everybody is asked for a key. Let it be one that may do everything.",
          ),
      ],
      action: "Make key",
      async send(values) {
        const wanted = ticked(values, "scope");
        if (wanted.length === 0) throw new ApiError(422, { detail: "Tick what it is good for." });
        return app.api.post(path, {
          name: values.name?.trim() || null,
          expiresInSeconds: values.expiresInSeconds ? Number(values.expiresInSeconds) : null,
          scopes: wanted,
        });
      },
    });
    await shown(made, path);
  }

  /** @param {string} path @param {Key} key */
  async function rotate(path, key) {
    const made = await ask(app, `Rotate ${nameOf(key)}`, {
      fields: [
        {
          name: "overlapSeconds",
          label: "The old one works for",
          hint: "So long there is time to bring the new one to where the old one is.",
          options: OVERLAPS,
        },
      ],
      action: "Make the new key",
      send: ({ overlapSeconds }) =>
        app.api.post(`${path}/${key.id}/rotate`, { overlapSeconds: Number(overlapSeconds) }),
    });
    await shown(made, path);
  }

  /** @param {{apiKey: string} & Key | undefined} made @param {string} path */
  async function shown(made, path) {
    if (made === undefined) return;
    await shownOnce(app, {
      title: `Key ${nameOf(made)}`,
      text: "This key is shown this once. Nobody can read it again, not even an administrator.",
      secret: made.apiKey,
      label: "Key",
      more: () => [
        h("h3", null, "Use it"),
        copyable(app, READ_KEY, "Copy the command"),
        h(
          "p",
          { class: "soft" },
          "This line waits for the key, so that no history of a shell keeps it.",
        ),
      ],
    });
    await load(path);
  }

  /** @param {string} path @param {Key} key */
  async function revoke(path, key) {
    const own = key.id === app.session?.keyId;
    const sure = await app.overlays.confirm({
      title: `Revoke ${nameOf(key)}?`,
      text: own
        ? "This is the key that you are logged in with: you are logged out with it."
        : "Within five seconds every server refuses it. What was claimed with it goes on under its lease.",
      action: "Revoke key",
      danger: true,
    });
    if (!sure) return;
    await app.act(() => app.api.delete(`${path}/${key.id}`), `${nameOf(key)} is revoked`);
    await load(path);
  }

  /** @param {string} path @param {Key} key */
  function cells(path, key) {
    const { tone, word, until, over } = keyState(key, now());
    return [
      h(
        "div",
        { class: "named" },
        h("b", { title: key.id }, nameOf(key)),
        key.replacedBy && h("span", { class: "faint" }, `replaced by ${shortId(key.replacedBy)}`),
      ),
      h(
        "div",
        { class: "chips" },
        key.scopes.map((scope) => h("span", { key: scope }, chip(scope))),
      ),
      h("span", { class: ["badge", `tone-${tone}`] }, word, until && when(until)),
      when(key.lastUsedAt),
      when(key.createdAt),
      administers &&
        !over &&
        h(
          "div",
          { class: "row-actions" },
          !key.replacedBy && button("Rotate", () => rotate(path, key)),
          button("Revoke", () => revoke(path, key), "danger"),
        ),
    ];
  }

  /** @param {string} path @param {string} whose @param {string} none */
  function list(path, whose, none) {
    const keys = lists.get(path);
    if (keys === undefined) return null;
    if (keys.length === 0) return h("p", { class: "soft" }, none);
    return table(
      `Keys of ${whose}`,
      ["Key", "Good for", "State", "Last used", "Made", null],
      keys.map((each) => ({ key: each.id, cells: cells(path, each) })),
    );
  }

  function accountKeys() {
    const shownAccount = account();
    const path = accountPath();
    if (shownAccount === undefined || path === null)
      return [
        h("p", { class: "soft" }, "There is no account yet. Making one makes its first key:"),
        copyable(app, CREATE_ACCOUNT),
      ];
    if (!asked.has(path)) queueMicrotask(() => load(path));
    return list(path, shownAccount.name, "This account has no key that the database knows.");
  }

  function accountChoice() {
    return select({
      label: "Account",
      value: account()?.id,
      options: named(app.store.accounts.newest()),
      choose: (chosen) => app.setQuery({ account: chosen }),
    });
  }

  return {
    read,
    view: () => [
      part(
        "Administrators' keys",
        administers && button("New key", () => create("/admin-keys", "an administrator")),
        list(
          "/admin-keys",
          "administrators",
          "None in the database. One that stands in BUILDD_ADMIN_KEY is not listed.",
        ),
      ),
      part(
        "Keys of accounts",
        account() &&
          h(
            "div",
            { class: "actions" },
            accountChoice(),
            administers &&
              button("New key", () => create(accountPath() ?? "", account()?.name ?? "")),
          ),
        accountKeys(),
      ),
    ],
  };
}

/** @param {Key} key */
function nameOf({ name, id }) {
  return name ?? shortId(id);
}
