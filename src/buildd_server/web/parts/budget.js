// What an account or a workspace has spent today, and how much of its day's budget that is.

import { h } from "../app/vdom.js";
import { budgetBar, dollars } from "./pieces.js";

const NEAR = 0.8;

/** @param {{name: string, spentToday: number, reservedToday: number, maxCostPerDay: number | null}} whose */
export function spentToday({
  name,
  spentToday: spent,
  reservedToday: reserved,
  maxCostPerDay: most,
}) {
  return h(
    "div",
    { class: "meter" },
    h(
      "span",
      null,
      dollars(spent),
      most !== null && [" of ", dollars(most)],
      reserved > 0 && h("span", { class: "faint" }, " + ", dollars(reserved), " reserved"),
    ),
    most !== null &&
      budgetBar({
        spent: spent / most,
        reserved: reserved / most,
        label: `Budget of ${name}`,
        tone: toneOf((spent + reserved) / most),
      }),
  );
}

/** @param {number} used */
function toneOf(used) {
  if (used >= 1) return "bad";
  return used >= NEAR ? "ask" : "good";
}
