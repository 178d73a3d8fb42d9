// Forms: fields with their labels, and what the server said against each.

import { ApiError } from "../app/api.js";
import { h } from "../app/vdom.js";
import { button } from "./pieces.js";

/**
 * @typedef {import("../app/vdom.js").Child} Child
 * @typedef {{name: string, label: string, hint?: string, type?: string, value?: string | number | null,
 *   required?: boolean, rows?: number, options?: [value: string, text: string][], placeholder?: string,
 *   min?: number, max?: string, step?: string, list?: string[], focus?: boolean}} Field
 * @typedef {{fields: Field[], action: string, send: (values: Record<string, string>) => Promise<unknown>,
 *   done: (answer: any) => void, cancel?: () => void, extra?: Child | (() => Child), danger?: boolean,
 *   more?: {label: string, fields: Field[]}}} FormOf `more` is folded away until somebody needs it
 */

/**
 * A form with its state; draw it with `view()`.
 * @param {import("../app/main.js").App} app
 * @param {FormOf} form
 */
export function createForm(app, form) {
  let busy = false;
  /** @type {Record<string, string>} */
  let errors = {};
  let whole = "";

  /** @param {SubmitEvent} event */
  async function onsubmit(event) {
    event.preventDefault();
    if (busy) return;
    const given = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const values = Object.fromEntries([...given].map(([name, value]) => [name, String(value)]));
    busy = true;
    errors = {};
    whole = "";
    app.redraw();
    try {
      form.done(await form.send(values));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      refused(error);
    } finally {
      busy = false;
      app.redraw();
    }
  }

  /** @param {ApiError} error */
  function refused(error) {
    const names = new Set([...form.fields, ...(form.more?.fields ?? [])].map(({ name }) => name));
    const elsewhere = error.errors.filter(({ field }) => !names.has(field));
    errors = Object.fromEntries(error.errors.map(({ field, message }) => [field, message]));
    if (error.errors.length === 0) whole = error.message;
    else whole = elsewhere.map(({ field, message }) => `${field}: ${message}`).join("; ");
  }

  return {
    view: () =>
      h(
        "form",
        { class: "form", onsubmit, novalidate: false },
        form.fields.map((each) => field(each, errors[each.name])),
        typeof form.extra === "function" ? form.extra() : form.extra,
        form.more && folded(form.more, errors),
        whole && h("p", { class: "refusal", role: "alert" }, whole),
        h(
          "footer",
          { class: "dialog-actions" },
          form.cancel && button("Go back", form.cancel),
          h(
            "button",
            {
              type: "submit",
              class: form.danger ? "danger" : "primary",
              "aria-disabled": busy && "true",
            },
            form.action,
          ),
        ),
      ),
  };
}

/**
 * @param {{label: string, fields: Field[]}} more
 * @param {Record<string, string>} errors
 */
function folded({ label, fields }, errors) {
  const wrong = fields.some(({ name }) => errors[name]);
  return h(
    "details",
    { class: "folded", ...(wrong ? { open: true } : {}) },
    h("summary", null, label),
    h(
      "div",
      { class: "form" },
      fields.map((each) => field(each, errors[each.name])),
    ),
  );
}

/** @param {Field} field @param {string | undefined} error */
function field({ name, label, hint, ...control }, error) {
  const id = `field-${name}`;
  const about = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return h(
    "div",
    { class: ["field", error && "wrong"], key: name },
    h("label", { for: id }, label),
    input(control, {
      id,
      name,
      "aria-describedby": about || null,
      "aria-invalid": error ? "true" : null,
    }),
    hint && h("small", { id: `${id}-hint` }, hint),
    error && h("small", { id: `${id}-error`, class: "refusal" }, error),
  );
}

/** A browser says what is wrong with a control only where it is seen. @param {Event} event */
function unfold({ target }) {
  const details = /** @type {Element} */ (target).closest("details");
  if (details) details.open = true;
}

/**
 * @param {Omit<Field, "name" | "label" | "hint">} control
 * @param {Record<string, any>} props
 */
function input({ type = "text", value, options, rows, list, focus, ...limits }, props) {
  const common = { ...limits, ...props, autofocus: focus, oninvalid: unfold };
  if (options)
    return h(
      "select",
      { ...common, defaultValue: value ?? options[0]?.[0] },
      options.map(([option, text]) => h("option", { key: option, value: option }, text)),
    );
  if (rows) return h("textarea", { ...common, rows, defaultValue: value ?? "" });
  const known = list ? `${props.id}-list` : null;
  return [
    h("input", { ...common, type, list: known, defaultValue: value ?? "", autocomplete: "off" }),
    list &&
      h(
        "datalist",
        { id: known },
        list.map((each) => h("option", { key: each, value: each })),
      ),
  ];
}
