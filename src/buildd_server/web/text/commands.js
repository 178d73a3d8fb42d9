// The commands that empty places and hindrances tell of: the same wherever one is needed.

import { visible } from "./visible.js";

export const CREATE_WORKSPACE = "buildd workspaces create shop --repo https://github.com/acme/shop";
export const CREATE_ACCOUNT = "buildd accounts create 'My laptop' --type user";
export const CREATE_POOL =
  "buildd pools create here --account ACC_ID --runner local --maximum 2 --argument=--executor=claude --pass-env ANTHROPIC_API_KEY";
/** Waits for the key, so that no history of a shell keeps it. */
export const READ_KEY = "read -rs BUILDD_API_KEY && export BUILDD_API_KEY";

/** An agent that could take the tasks of a workspace. @param {string} workspaceId @param {string[]} [needs] capabilities */
export function agentCommand(workspaceId, needs = []) {
  return `BUILDD_API_KEY=… buildd-agent --workspace ${workspaceId}${offers(needs)}`;
}

/** Flags for capabilities, which are other people's words. @param {string[]} capabilities */
export function offers(capabilities) {
  return capabilities.map((each) => ` --capability ${quoted(visible(each))}`).join("");
}

/** For a shell. @param {string} word */
export function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}
