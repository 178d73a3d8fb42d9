// The schedules of a workspace: which task is made when, by itself.

import { h } from "../../app/vdom.js";
import { ask, edit, json } from "../../parts/dialogs.js";
import { button, copyable, part, table, when } from "../../parts/pieces.js";

/**
 * @typedef {import("../../app/main.js").App} App
 * @typedef {import("../../types.js").Schedule} Schedule
 * @typedef {import("../../parts/forms.js").Field} Field
 */

/** @param {App} app @param {string} workspaceId */
export function createSchedules(app, workspaceId) {
  /** @type {Schedule[] | null} */
  let schedules = null;

  async function read() {
    schedules = (await app.act(() => app.api.all("/schedules", { workspaceId }))) ?? schedules;
    app.redraw();
  }

  async function create() {
    const made = await ask(app, "New schedule", {
      fields: [
        ...timeFields({ timezone: Intl.DateTimeFormat().resolvedOptions().timeZone }),
        {
          name: "task.title",
          label: "Task",
          required: true,
          placeholder: "Update the dependencies",
        },
        { name: "task.description", label: "Description", rows: 5 },
      ],
      action: "Make schedule",
      send: (values) =>
        app.api.post("/schedules", {
          workspaceId,
          ...times(values),
          task: {
            title: values["task.title"],
            ...(values["task.description"]?.trim()
              ? { description: values["task.description"] }
              : {}),
          },
        }),
    });
    if (made) await read();
  }

  /** @param {Schedule} schedule */
  async function change({ id, name }) {
    const path = `/schedules/${id}`;
    await edit(app, {
      title: `Edit ${name}`,
      path,
      fields: (read) => [
        ...timeFields(read),
        {
          name: "task",
          label: "Task, as JSON",
          rows: 8,
          value: JSON.stringify(read.task, null, 2),
        },
      ],
      body: (values) => ({ ...times(values), task: json("task", values.task) }),
    });
    await read();
  }

  /** @param {Schedule} schedule @param {boolean} enabled */
  async function switched({ id }, enabled) {
    await app.act(() => app.api.patch(`/schedules/${id}`, { enabled }));
    await read();
  }

  /** @param {Schedule} schedule */
  async function remove({ id, name }) {
    const sure = await app.overlays.confirm({
      title: `Delete ${name}?`,
      text: "The tasks that it made stay.",
      action: "Delete schedule",
      danger: true,
    });
    if (!sure) return;
    await app.act(() => app.api.delete(`/schedules/${id}`), `${name} is deleted`);
    await read();
  }

  /** @param {Schedule} schedule */
  function cells(schedule) {
    const { name, cron, timezone, enabled, nextRunAt, lastRunAt, lastTaskId, lastError } = schedule;
    return [
      h("b", null, name),
      [h("code", null, cron), " ", h("span", { class: "faint" }, timezone)],
      enabled ? when(nextRunAt) : h("span", { class: "faint" }, "switched off"),
      [
        lastTaskId ? h("a", { href: `/tasks/${lastTaskId}` }, when(lastRunAt)) : when(lastRunAt),
        lastError && h("p", { class: "refusal" }, lastError),
      ],
      app.may("create") &&
        h(
          "div",
          { class: "row-actions" },
          button(enabled ? "Switch off" : "Switch on", () => switched(schedule, !enabled)),
          button("Edit", () => change(schedule)),
          button("Delete", () => remove(schedule), "danger"),
        ),
    ];
  }

  return {
    read,
    view: () =>
      part(
        "Schedules",
        app.may("create") && button("New schedule", create),
        schedules?.length
          ? table(
              "Schedules",
              ["Schedule", "At", "Next", "Last", null],
              schedules.map((each) => ({ key: each.id, cells: cells(each) })),
            )
          : schedules && [
              h(
                "p",
                { class: "soft" },
                "No task is made by itself here. To have one made every Monday at six:",
              ),
              copyable(
                app,
                `buildd schedules create "Update the dependencies" --workspace ${workspaceId} --cron "0 6 * * 1"`,
              ),
            ],
      ),
  };
}

/** @param {Partial<Schedule>} schedule @returns {Field[]} */
function timeFields({ name, cron, timezone }) {
  return [
    { name: "name", label: "Name", required: true, focus: true, value: name ?? null },
    {
      name: "cron",
      label: "When",
      hint: "Minute, hour, day, month, weekday as cron has them; or @hourly, @daily, @weekly, @monthly, @yearly.",
      placeholder: "0 6 * * 1",
      required: true,
      value: cron ?? null,
      list: ["@hourly", "@daily", "@weekly", "@monthly", "0 6 * * 1", "0 7 * * 1-5"],
    },
    { name: "timezone", label: "Time zone", required: true, value: timezone ?? "UTC" },
  ];
}

/** @param {Record<string, string>} values */
function times({ name, cron, timezone }) {
  return { name, cron, timezone };
}
