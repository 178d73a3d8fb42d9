// The dialogs of administration: a form, a secret that is shown once, a name to type before something is gone.

import { ApiError } from "../app/api.js";
import { h } from "../app/vdom.js";
import { createForm } from "./forms.js";
import { button, copyable } from "./pieces.js";

/**
 * @typedef {import("../app/main.js").App} App
 * @typedef {import("../app/vdom.js").Child} Child
 * @typedef {import("./forms.js").Field} Field
 * @typedef {Record<string, string>} Values
 * @typedef {{fields: Field[], action: string, send: (values: Values) => Promise<any>,
 *   extra?: Child | (() => Child), more?: {label: string, fields: Field[]}, danger?: boolean}} Asked
 * @typedef {{title: string, path: string, fields: (thing: any) => Field[],
 *   body: (values: Values) => Record<string, unknown>, extra?: (thing: any) => Child,
 *   more?: (thing: any) => {label: string, fields: Field[]}}} Change
 */

/**
 * Show a form until it is sent or left. Answers what the server said, or undefined.
 * @param {App} app
 * @param {string} title
 * @param {Asked} asked
 * @returns {Promise<any>}
 */
export async function ask(app, title, asked) {
  /** @type {any} */
  let answer;
  let close = () => {};
  const form = createForm(app, {
    ...asked,
    cancel: () => close(),
    done(said) {
      answer = said;
      close();
    },
  });
  await app.overlays.dialog(title, (shut) => {
    close = shut;
    return form.view();
  });
  return answer;
}

/**
 * Read a thing, show what can be changed, and send what was changed, so that it overwrites nobody's work.
 * @param {App} app
 * @param {Change} change
 */
export async function edit(app, { title, path, fields, body, extra, more }) {
  const read = await app.act(() => app.api.tagged(path));
  if (read === undefined) return undefined;
  const { thing, tag } = read;
  return ask(app, title, {
    fields: fields(thing),
    extra: extra?.(thing),
    ...(more ? { more: more(thing) } : {}),
    action: "Save",
    async send(values) {
      const changed = differing(thing, body(values));
      if (Object.keys(changed).length === 0) return thing;
      try {
        return await app.api.patch(path, changed, tag);
      } catch (error) {
        throw overtaken(error);
      }
    },
  });
}

/**
 * Show a secret, this once: when the dialog is closed, it is nowhere in the page any more.
 * @param {App} app
 * @param {{title: string, text: string, secret: string, label: string, more?: () => Child}} shown
 */
export function shownOnce(app, { title, text, secret, label, more }) {
  return app.overlays.dialog(
    title,
    (close) => [
      h("p", { class: "once" }, text),
      h("div", { class: "secret" }, h("h3", null, label), copyable(app, secret, `Copy: ${label}`)),
      more?.(),
      h("footer", { class: "dialog-actions" }, button("I have kept it", close, "primary")),
    ],
    { firm: true },
  );
}

/**
 * Ask for the name of what is about to go with all that it holds.
 * @param {App} app
 * @param {{title: string, text: string, name: string, action: string, send: () => Promise<unknown>}} what
 * @returns {Promise<boolean>} whether it is gone
 */
export async function askName(app, { title, text, name, action, send }) {
  const gone = await ask(app, title, {
    fields: [
      { name: "typed", label: `Type “${name}” to go on`, hint: text, required: true, focus: true },
    ],
    action,
    danger: true,
    async send({ typed }) {
      if (typed !== name) throw wrong("typed", "This is another name.");
      await send();
      return true;
    },
  });
  return gone === true;
}

/**
 * Boxes to tick; `ticked` reads them.
 * @param {string} name
 * @param {string} legend
 * @param {[value: string, text: string][]} options
 * @param {string[]} [chosen]
 */
export function boxes(name, legend, options, chosen = []) {
  return h(
    "fieldset",
    { class: "boxes", key: name },
    h("legend", null, legend),
    options.map(([value, text]) =>
      h(
        "label",
        { key: value },
        h("input", { type: "checkbox", name: `${name}.${value}`, checked: chosen.includes(value) }),
        h("span", null, text),
      ),
    ),
  );
}

/** What was ticked of the boxes of a name. @param {Values} values @param {string} name */
export function ticked(values, name) {
  const start = `${name}.`;
  return Object.keys(values)
    .filter((each) => each.startsWith(start))
    .map((each) => each.slice(start.length));
}

/** A number, or null where nothing stands. @param {string | undefined} text */
export function number(text) {
  return text?.trim() ? Number(text) : null;
}

/** The lines of a text, without those that are empty. @param {string | undefined} text */
export function lines(text = "") {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}

/** A JSON object as somebody wrote it. @param {string} field @param {string | undefined} text */
export function json(field, text = "") {
  let value;
  try {
    value = JSON.parse(text.trim() || "{}");
  } catch (error) {
    throw wrong(field, `This is no JSON: ${/** @type {Error} */ (error).message}`);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value))
    throw wrong(field, 'This must be a JSON object, such as {"name": "value"}.');
  return value;
}

/** A refusal of our own, told as the server's are. @param {string} field @param {string} message */
export function wrong(field, message) {
  return new ApiError(422, { errors: [{ field, message }] });
}

/**
 * The fields that are another way than they were.
 * @param {Record<string, any>} before
 * @param {Record<string, any>} after
 */
export function differing(before, after) {
  const same = (/** @type {string} */ name) =>
    JSON.stringify(before[name] ?? null) === JSON.stringify(after[name] ?? null);
  return Object.fromEntries(Object.entries(after).filter(([name]) => !same(name)));
}

/** @param {unknown} error */
function overtaken(error) {
  if (!(error instanceof ApiError) || error.status !== 412) return error;
  return new ApiError(412, {
    code: error.code,
    detail: "Somebody has changed it meanwhile. Go back and open it again to see how it is now.",
  });
}
