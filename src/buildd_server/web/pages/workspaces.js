// The workspaces: all of them, or one with where its tasks come from and who may work there.

import { createList } from "./workspaces/list.js";
import { createOne } from "./workspaces/one.js";

/** @type {import("../app/router.js").PageMaker} */
export function page(app, params) {
  return params.id ? createOne(app, params.id) : createList(app);
}
