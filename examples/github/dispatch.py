"""Start the workflow beside this file for every new task that is for GitHub Actions.

BUILDD_SERVER=… BUILDD_API_KEY=… GITHUB_TOKEN=… python dispatch.py owner/repository
"""

from __future__ import annotations

import os
import sys

from github import Auth, Github

import buildd


def dispatch(github: Github, repository: str, task_id: str) -> None:
    """Send the event the workflow waits for; its agent takes this very task first."""
    sent = github.get_repo(repository).create_repository_dispatch(
        event_type="buildd-task", client_payload={"task_id": task_id}
    )
    if not sent:  # PyGithub answers False where it could raise
        raise SystemExit(f"GitHub did not take the dispatch to {repository}")


def main() -> None:
    """Follow the feed, for ever."""
    [repository] = sys.argv[1:]
    address = os.environ.get("GITHUB_API_URL", "https://api.github.com")
    github = Github(auth=Auth.Token(os.environ["GITHUB_TOKEN"]), base_url=address)
    with buildd.connect() as bd:
        for event in bd.events(types=[buildd.EventType.TASK_CREATED]):
            if event.task_id and event.data["runnerPreference"] == buildd.RunnerPreference.ACTION:
                dispatch(github, repository, event.task_id)
                print(f"dispatched {event.task_id} to {repository}", flush=True)


if __name__ == "__main__":
    main()
