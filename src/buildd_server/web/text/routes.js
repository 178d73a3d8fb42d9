// Who may take a task, by the kinds of accounts there are, in the same words on every page.

/** @type {[route: string, word: string][]} */
export const ROUTES = [
  ["any", "Any account"],
  ["user", "People's machines"],
  ["service", "Services"],
  ["action", "GitHub Actions"],
];

/** @param {string} route */
export function routeName(route) {
  return ROUTES.find(([each]) => each === route)?.[1] ?? route;
}
