// What an agent waits for a person to say, and what can be answered with a click.

/** @typedef {import("../types.js").WaitingFor} WaitingFor */

/** @type {Record<string, string[]>} Where whoever asks names nothing. */
const USUAL = { permission: ["allow", "deny"], confirmation: ["Yes", "No"] };

/** @param {WaitingFor} asked */
export function optionsOf({ options, type }) {
  return options ?? USUAL[type] ?? [];
}

/** Whether it is the server that asks, about a budget that is used up. @param {WaitingFor | null | undefined} asked */
export function asksBudget(asked) {
  return asked?.code === "budget_exhausted";
}
