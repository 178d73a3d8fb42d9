// How much of something there is: progress, slots, and what was spent of a budget.

import { h } from "../app/vdom.js";
import { percent } from "../text/words.js";
import { dollars } from "./pieces.js";

const NEAR = 0.8; // The share of a budget from which its reader is warned.

/**
 * How far something is: a share of 0 to 1.
 * @param {number} share
 * @param {string} label
 */
export function bar(share, label) {
  return filled({ spent: share, reserved: 0, label, tone: "busy" });
}

/**
 * The workers of an account, of those it may have at once.
 * @param {{name: string, liveWorkers: number, maxConcurrentWorkers: number}} account
 */
export function slots({ name, liveWorkers, maxConcurrentWorkers: most }) {
  return h(
    "div",
    { class: "meter" },
    h("span", { class: "figure" }, `${liveWorkers} of ${most}`),
    bar(liveWorkers / most, `Workers of ${name}`),
  );
}

/**
 * What an account or a workspace has spent today, of its day's budget.
 * @param {{name: string, spentToday: number, reservedToday: number, maxCostPerDay: number | null}} whose
 */
export function spentToday({ name, spentToday: spent, reservedToday: reserved, maxCostPerDay }) {
  return budget({ label: `Today's budget of ${name}`, spent, reserved, most: maxCostPerDay });
}

/**
 * What was spent and what is reserved, in US dollars, and how much of a budget that is if there is one.
 * @param {{label: string, spent: number, reserved?: number, most: number | null}} of
 */
export function budget({ label, spent, reserved = 0, most }) {
  const share = (/** @type {number} */ amount) => (most ? amount / most : 1);
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
      filled({
        spent: share(spent),
        reserved: reserved > 0 ? share(reserved) : 0,
        label,
        tone: toneOf(share(spent + reserved)),
      }),
  );
}

/** @param {number} used */
function toneOf(used) {
  if (used >= 1) return "bad";
  return used >= NEAR ? "ask" : "good";
}

/** @param {{spent: number, reserved: number, label: string, tone: string}} shares each of the whole */
function filled({ spent, reserved, label, tone }) {
  const most = (/** @type {number} */ share) => Math.max(0, Math.min(1, share || 0));
  return h(
    "div",
    {
      class: ["bar", `tone-${tone}`],
      role: "img",
      "aria-label": `${label}: ${percent(spent)}${reserved ? `, ${percent(reserved)} reserved` : ""}`,
      style: {
        "--spent": `${100 * most(spent)}%`,
        "--reserved": `${100 * most(Math.min(reserved, 1 - most(spent)))}%`,
      },
    },
    h("i", { class: "bar-spent" }),
    reserved > 0 && h("i", { class: "bar-reserved" }),
  );
}
