"""What the agent's tests work with: an office, and git for a test's own use."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from buildd.broker import Broker
from buildd.client import Client
from buildd.models import Artifact, Task, Worker


def git(at: Path, *arguments: str) -> str:
    """What git prints, for a test's own use."""
    done = subprocess.run(
        ["git", *arguments], cwd=at, check=True, capture_output=True, text=True, env=_environment()
    )
    return done.stdout.strip()


def shell(at: Path, script: str, **variables: str) -> None:
    """Run a script up to its first mistake, which is the test's."""
    environment = {**_environment(), **variables}
    subprocess.run(["sh", "-ec", script], cwd=at, check=True, env=environment)


def _environment() -> dict[str, str]:
    who = {f"GIT_{w}_{k}": v for w in ("AUTHOR", "COMMITTER") for k, v in _PERSON.items()}
    return {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull}


_PERSON = {"NAME": "a person", "EMAIL": "person@example.com"}


@dataclass
class Office:
    """A broker with one workspace, and one account that works there."""

    broker: Broker
    owner: Client
    account: Client
    account_id: str
    key: str
    workspace_id: str
    state: Path

    def task(self, title: str = "Fix the login test", **fields: object) -> Task:
        return self.owner.tasks.create(workspace_id=self.workspace_id, title=title, **fields)  # type: ignore[arg-type]

    def read(self, task: Task) -> Task:
        return self.owner.tasks.get(id=task.id)

    def worker(self, task: Task) -> Worker:
        """The last attempt."""
        return self.owner.workers.list(task_id=task.id)[0]

    def said(self, worker: Worker) -> str:
        messages = self.owner.messages.list(worker_id=worker.id, limit=200)
        return "\n".join(message.content or "" for message in reversed(messages))

    def artifacts(self, worker: Worker) -> dict[str, Artifact]:
        listed = self.owner.artifacts.list(worker_id=worker.id)
        return {each.type.value: self.owner.artifacts.get(id=each.id) for each in listed}


OfficeMaker = Callable[..., Office]
