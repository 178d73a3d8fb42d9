// The runners that come with buildd, and what each must know to start agents: an example to begin with.

/** @typedef {{about: string, hint: string, config: Record<string, any>, passEnv: boolean}} Runner */

/** @type {Record<string, Runner>} */
export const RUNNERS = {
  local: {
    about: "on this server's machine",
    hint: "It needs nothing. state_dir says where launches are kept, if not in ~/.local/state/buildd.",
    config: {},
    passEnv: true,
  },
  vm: {
    about: "on a machine reached by SSH",
    hint: "host is needed; also user, port, identity_file, known_hosts, connect_timeout, python, state_dir.",
    config: {
      host: "vm.example.org",
      user: "buildd",
      python: "~/venv/bin/python",
      identity_file: "/etc/buildd/vm_key",
      known_hosts: "/etc/buildd/vm_known_hosts",
    },
    passEnv: true,
  },
  coder: {
    about: "in workspaces of Coder",
    hint: "url and template are needed; also parameters, organization, owner, on_stop, prefix. The server's CODER_SESSION_TOKEN lets it in.",
    config: { url: "https://coder.example.com", template: "buildd" },
    passEnv: false,
  },
  github_actions: {
    about: "in runs of GitHub Actions",
    hint: "repository is needed; also event, workflow, ref, inputs, mark. The server's credentials at GitHub let it in.",
    config: { repository: "acme/shop", event: "repository_dispatch", workflow: "buildd.yml" },
    passEnv: false,
  },
};

/** What is known of a runner; of a plugin's own, nothing. @param {string} name @returns {Runner} */
export function runnerOf(name) {
  const unknown = { about: "", hint: "In the runner's own words.", config: {}, passEnv: true };
  return RUNNERS[name] ?? unknown;
}
