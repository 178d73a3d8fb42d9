// Not here yet.
// @ts-check

import { h } from "../app/vdom.js";

/** @type {import("../app/router.js").PageMaker} */
export function page(app, params) {
  return { title: () => "spend", view: () => h("h1", null, "spend ", params["id"]) };
}
