// The accounts of a fleet: how many workers they have of those they may, and what they spend today.

import { h } from "../../app/vdom.js";
import { slots, spentToday } from "../../parts/bars.js";
import { ask, boxes, edit, number, shownOnce, ticked } from "../../parts/dialogs.js";
import { button, copyable, empty, part, table } from "../../parts/pieces.js";
import { chip } from "../../parts/states.js";
import { CREATE_ACCOUNT, READ_KEY } from "../../text/commands.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Account} Account
 * @typedef {import("../../parts/forms.js").Field} Field
 */

/** @type {[string, string][]} */
const TYPES = [
  ["user", "user: a person's machines"],
  ["service", "service: always on"],
  ["action", "action: GitHub Actions"],
];

/** @param {App} app */
export function accountsView(app) {
  const accounts = app.store.accounts.newest();
  return part(
    "Accounts",
    null,
    accounts.length
      ? table(
          "Accounts",
          ["Account", "Workers", "Spent today", null],
          accounts.map((each) => ({ key: each.id, cells: cells(app, each) })),
        )
      : empty(app, {
          title: "No account yet",
          text: "An account stands for who works: a laptop, a server, a repository's Actions. Its key lets agents in.",
          command: CREATE_ACCOUNT,
        }),
  );
}

/** @param {App} app @param {Account} account */
function cells(app, account) {
  return [
    h(
      "div",
      { class: "named" },
      h("b", null, account.name),
      chip(account.type),
      account.draining && h("span", { class: "badge tone-ask" }, "draining"),
    ),
    slots(account),
    spentToday(account),
    app.may("admin") && buttons(app, account),
  ];
}

/** @param {App} app @param {Account} account */
function buttons(app, account) {
  return h(
    "div",
    { class: "row-actions" },
    button("Edit", () => changed(app, account)),
    account.draining
      ? button("Take work again", () => drained(app, account, false))
      : button("Drain", () => drained(app, account, true)),
  );
}

/** @param {App} app @param {Account} account @param {boolean} draining */
async function drained(app, account, draining) {
  const sure =
    !draining ||
    (await app.overlays.confirm({
      title: `Drain ${account.name}?`,
      text: "It takes no new work, and its agents hand back what they hold. That costs the tasks no attempt, and can be undone.",
      action: "Drain account",
    }));
  if (!sure) return;
  const done = draining ? `${account.name} takes no new work` : `${account.name} takes work again`;
  const answer = await app.act(
    () => app.api.post(`/accounts/${account.id}/drain`, { draining }),
    done,
  );
  if (answer) app.store.accounts.put(answer);
}

/** @param {App} app @param {Account} account */
async function changed(app, account) {
  const answer = await edit(app, {
    title: `Edit ${account.name}`,
    path: `/accounts/${account.id}`,
    fields: (read) => [nameField(read.name), ...limitFields(read)],
    more: moreLimits,
    body: (values) => ({ name: values.name, ...limits(values) }),
  });
  if (answer) app.store.accounts.put(answer);
  app.redraw();
}

/** @param {App} app */
export async function newAccount(app) {
  const workspaces = app.store.workspaces.newest();
  const made = await ask(app, "New account", {
    fields: [
      { name: "type", label: "Type", options: TYPES },
      nameField(),
      ...limitFields({ maxConcurrentWorkers: 3, maxCostPerDay: 50 }),
    ],
    more: moreLimits({}),
    extra:
      workspaces.length > 0 &&
      boxes(
        "claims",
        "May take tasks of",
        workspaces.map(({ id, name }) => [id, name]),
        workspaces.length === 1 ? workspaces.map(({ id }) => id) : [],
      ),
    action: "Make account",
    send: async (values) => {
      const { type, name } = values;
      const account = await app.api.post("/accounts", { type, name, ...limits(values) });
      return { account, claims: ticked(values, "claims") };
    },
  });
  if (made === undefined) return;
  const { apiKey, ...account } = made.account;
  app.store.accounts.put(account);
  await app.act(() =>
    Promise.all(
      made.claims.map((/** @type {string} */ workspaceId) =>
        app.api.post(`/accounts/${account.id}/workspaces`, { workspaceId, canClaim: true }),
      ),
    ),
  );
  await keyShown(app, apiKey, account, made.claims.length > 0);
}

/**
 * @param {App} app
 * @param {string} key
 * @param {Account} account
 * @param {boolean} granted
 */
function keyShown(app, key, account, granted) {
  return shownOnce(app, {
    title: `${account.name}: its key`,
    text: "This key is shown this once. Nobody can read it again, not even an administrator.",
    secret: key,
    label: "Key",
    more: () => [
      h("h3", null, "Run an agent with it"),
      copyable(app, agentLine(account.maxConcurrentWorkers), "Copy the command"),
      h(
        "p",
        { class: "soft" },
        "The first line waits for the key, so that no history of a shell keeps it.",
      ),
      !granted &&
        h(
          "p",
          { class: "soft" },
          "It may not work anywhere yet: give it workspaces in Settings, Grants.",
        ),
    ],
  });
}

/** How an agent is run against this server. @param {number} [most] */
export function agentLine(most = 3) {
  return [
    READ_KEY,
    `buildd-agent --server ${location.origin} --max-tasks ${Math.min(most, 50)}`,
  ].join("\n");
}

/** @param {string} [value] @returns {Field} */
function nameField(value = "") {
  return {
    name: "name",
    label: "Name",
    value,
    required: true,
    focus: true,
    placeholder: "Max's laptop",
  };
}

/** @param {Partial<Account>} account @returns {Field[]} */
function limitFields({ maxConcurrentWorkers, maxCostPerDay }) {
  return [
    {
      name: "maxConcurrentWorkers",
      label: "Workers at once",
      type: "number",
      min: 1,
      required: true,
      value: maxConcurrentWorkers ?? null,
    },
    {
      name: "maxCostPerDay",
      label: "Dollars per day",
      hint: "A day ends at midnight, UTC.",
      type: "number",
      min: 0,
      step: "any",
      required: true,
      value: maxCostPerDay ?? null,
    },
  ];
}

/** @param {Partial<Account>} account */
function moreLimits({ maxCostPerTask, maxTasksPerRun, maxCostPerRun, githubId }) {
  /** @type {Omit<Field, "name" | "label">} */
  const dollarsField = { type: "number", min: 0, step: "any", placeholder: "no limit" };
  /** @type {Field[]} */
  const fields = [
    {
      name: "maxCostPerTask",
      label: "Dollars set aside for an attempt",
      hint: "Where the task has no limit of its own.",
      ...dollarsField,
      placeholder: "none",
      value: maxCostPerTask ?? null,
    },
    {
      name: "maxTasksPerRun",
      label: "Tasks of one run",
      type: "number",
      min: 1,
      placeholder: "no limit",
      value: maxTasksPerRun ?? null,
    },
    {
      name: "maxCostPerRun",
      label: "Dollars of one run",
      ...dollarsField,
      value: maxCostPerRun ?? null,
    },
    {
      name: "githubId",
      label: "Repository",
      hint: "Of an account of type action: whose Actions it stands for.",
      placeholder: "owner/repository",
      value: githubId ?? null,
    },
  ];
  return { label: "More limits, and GitHub", fields };
}

/** @param {Record<string, string>} values */
function limits(values) {
  return {
    githubId: values.githubId?.trim() || null,
    maxConcurrentWorkers: number(values.maxConcurrentWorkers),
    maxCostPerDay: number(values.maxCostPerDay),
    maxCostPerTask: number(values.maxCostPerTask),
    maxTasksPerRun: number(values.maxTasksPerRun),
    maxCostPerRun: number(values.maxCostPerRun),
  };
}
