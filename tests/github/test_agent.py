"""The whole way: an agent without any credential of GitHub's, a real remote, a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from buildd import Client
from buildd.agent import AgentOptions, serve_async
from buildd.broker import Broker, BrokerSettings
from buildd.client import as_async, connect
from buildd.models import ArtifactType, Task, Worker
from buildd.roles import Forge
from buildd.states import TaskStatus
from buildd_runners.command import CommandExecutor
from buildd_runners.github.pulls import GitHubForge
from tests.agent.office import git
from tests.conftest import serving
from tests.far_end import Answer
from tests.github.far_end import TOKEN, GitHub

WORK = "echo fixed > fix.txt; echo It was the clock."
HOSTILE = 'Fix "it"; touch pwned $(touch pwned) `touch pwned` --upload-pack=x'


class Desk:
    """A server, its owner, and an agent's account."""

    def __init__(self, owner: Client, repo: str, state: Path) -> None:
        self.owner = owner
        account = owner.accounts.create(type="user", name="laptop")
        self.workspace_id = owner.workspaces.create(name="shop", repo=repo).id
        owner.accounts.grant(account_id=account.id, workspace_id=self.workspace_id)
        self._account = owner.with_key(account.api_key)
        self._state = state

    def do(self, title: str, command: str = WORK) -> tuple[Task, Worker]:
        """Have one task done."""
        task = self.owner.tasks.create(workspace_id=self.workspace_id, title=title)

        async def work() -> None:
            async with as_async(self._account) as client:
                options = AgentOptions(max_tasks=1, single_run=True, state_dir=self._state)
                await serve_async(client, CommandExecutor(command), options)

        anyio.run(work)
        return self.owner.tasks.get(id=task.id), self.owner.workers.list(task_id=task.id)[0]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, github: GitHub) -> None:
    """A person whose git reaches GitHub's repositories, here in a directory."""
    path = tmp_path / "home"
    path.mkdir()
    (path / ".gitconfig").write_text(f'[url "{github.remotes}/"]\n\tinsteadOf = {github.url}/\n')
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def open_desk(url: str, forge: Forge | None, github: GitHub, tmp_path: Path) -> Iterator[Desk]:
    with (
        closing(Broker.open(url, BrokerSettings(forge=forge))) as broker,
        serving(broker) as address,
        connect(address) as owner,
    ):
        yield Desk(owner, github.repo(), tmp_path / "state")


@pytest.fixture
def desk(sqlite_url: str, forge: GitHubForge, github: GitHub, tmp_path: Path) -> Iterator[Desk]:
    yield from open_desk(sqlite_url, forge, github, tmp_path)


def test_a_completed_task_becomes_a_pull_request(
    desk: Desk, github: GitHub, remote: Path, tmp_path: Path
) -> None:
    task, worker = desk.do(HOSTILE)
    assert task.status is TaskStatus.COMPLETED, task.error
    [pull] = github.pulls
    assert (pull["title"], pull["head"]["ref"], pull["base"]["ref"]) == (
        HOSTILE,
        worker.branch,
        "main",
    )
    assert "It was the clock." in pull["body"]
    assert f"Made by buildd for {task.id}." in pull["body"]
    assert git(remote, "show", f"{worker.branch}:fix.txt") == "fixed"
    assert task.result is not None
    assert task.result["pullRequest"] == pull["html_url"]
    kinds = [each.type for each in desk.owner.artifacts.list(worker_id=worker.id)]
    assert sorted(kinds) == [ArtifactType.DIFF, ArtifactType.PULL_REQUEST, ArtifactType.SUMMARY]
    assert not list(tmp_path.rglob("pwned"))
    assert TOKEN not in "".join(
        path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()
    )


def test_without_a_change_there_is_none(desk: Desk, github: GitHub) -> None:
    task, _ = desk.do("Look at it", "echo all is well")
    assert task.status is TaskStatus.COMPLETED
    assert task.result is not None
    assert "pullRequest" not in task.result
    assert github.asked == []


def test_a_failed_task_keeps_its_branch_and_asks_for_none(desk: Desk, github: GitHub) -> None:
    desk.do("Fix it", f"{WORK}; exit 1")
    assert github.asked == []


def test_a_refusal_is_said_and_spoils_nothing(desk: Desk, github: GitHub, remote: Path) -> None:
    github.troubles.append(Answer(403, {"message": "Resource not accessible"}))
    task, worker = desk.do("Fix it")
    assert task.status is TaskStatus.COMPLETED
    assert git(remote, "show", f"{worker.branch}:fix.txt") == "fixed"
    said = [each.content or "" for each in desk.owner.messages.list(worker_id=worker.id)]
    [told] = [each for each in said if "No pull request was opened" in each]
    assert "Resource not accessible" in told


def test_while_github_is_away_it_is_asked_again(desk: Desk, github: GitHub) -> None:
    github.troubles.extend([Answer(502, b"<html>"), Answer(503, {"message": "Unicorn"})])
    task, _ = desk.do("Fix it")
    assert task.result is not None
    assert task.result["pullRequest"] == github.pulls[0]["html_url"]


def test_a_server_without_credentials_is_no_trouble(
    sqlite_url: str, github: GitHub, tmp_path: Path
) -> None:
    for desk in open_desk(sqlite_url, None, github, tmp_path):
        task, worker = desk.do("Fix it")
        assert task.status is TaskStatus.COMPLETED
        said = [each.content or "" for each in desk.owner.messages.list(worker_id=worker.id)]
        assert not [each for each in said if "pull request" in each]
    assert github.asked == []
