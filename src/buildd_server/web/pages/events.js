// Not here yet.
// @ts-check

import { h } from "../app/vdom.js";

/** @type {import("../app/router.js").PageMaker} */
export function page(app, params) {
  return { title: () => "events", view: () => h("h1", null, "events ", params["id"]) };
}
