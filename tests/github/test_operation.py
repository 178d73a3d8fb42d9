"""The operation: under a lease, once, embedded and over HTTP, on both databases."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildd import Client, connect
from buildd.broker import Broker, BrokerSettings
from buildd.client._embedded import EmbeddedTransport, Embedding
from buildd.errors import (
    ForgeRefused,
    LeaseLost,
    NotConfigured,
    NotFound,
    RateLimited,
    Unavailable,
)
from buildd.events import Event
from buildd.models import Artifact, ArtifactType, Claimed, PullRequest
from buildd.roles import Forge, PullRequestOrder
from buildd_runners.github.pulls import GitHubForge
from tests.agent.office import git
from tests.conftest import serving
from tests.far_end import Answer
from tests.github.far_end import TOKEN, GitHub


@dataclass
class Attempt:
    """One attempt whose branch is pushed, as its agent and as the owner see it."""

    owner: Client
    agent: Client
    claimed: Claimed

    def open(self, title: str = "Fix it", **fields: object) -> PullRequest:
        return self.agent.workers.open_pull_request(id=self.claimed.id, title=title, **fields)  # type: ignore[arg-type]

    def shown(self) -> list[Artifact]:
        return self.owner.artifacts.list(worker_id=self.claimed.id)


def begin(owner: Client, repo: str | None, remote: Path) -> Attempt:
    account = owner.accounts.create(type="user", name="laptop")
    workspace = owner.workspaces.create(name="shop", repo=repo)
    owner.accounts.grant(account_id=account.id, workspace_id=workspace.id)
    owner.tasks.create(workspace_id=workspace.id, title="Fix it")
    [claimed] = owner.with_key(account.api_key).workers.claim().workers
    git(remote, "branch", claimed.worker.branch, "work")
    return Attempt(owner, owner.with_key(claimed.lease.token), claimed)


@contextmanager
def office(database_url: str, forge: Forge | None, *, http: bool) -> Iterator[Client]:
    broker = Broker.open(database_url, BrokerSettings(forge=forge))
    try:
        if http:
            with serving(broker) as address, connect(address) as owner:
                yield owner
        else:
            with Client(EmbeddedTransport(Embedding(broker))) as owner:
                yield owner
    finally:
        broker.close()


@pytest.fixture(params=["embedded", "http"])
def owner(
    request: pytest.FixtureRequest, database_url: str, forge: GitHubForge
) -> Iterator[Client]:
    with office(database_url, forge, http=request.param == "http") as client:
        yield client


@pytest.fixture
def attempt(owner: Client, github: GitHub, remote: Path) -> Attempt:
    return begin(owner, github.repo(), remote)


def test_the_server_opens_it_and_shows_it(attempt: Attempt, github: GitHub) -> None:
    opened = attempt.open(body="It was broken.", base="main", draft=True)
    branch = attempt.claimed.worker.branch
    url = f"{github.url}/acme/shop/pull/1"
    assert opened == PullRequest(url=url, number=1, branch=branch, base="main", draft=True)
    [artifact] = attempt.shown()
    assert artifact.type is ArtifactType.PULL_REQUEST
    assert (artifact.title, artifact.content) == ("#1 Fix it", url)
    assert PullRequest.model_validate(artifact.metadata) == opened
    assert [event.data["artifactId"] for event in _artifact_events(attempt)] == [artifact.id]


def _artifact_events(attempt: Attempt) -> list[Event]:
    found: list[Event] = []
    for event in attempt.owner.events(after=0):
        if event.type == "worker:artifact":
            found.append(event)
        if event.type == "worker:message":
            return found
        if event.type == "worker:status" and not found:
            attempt.agent.messages.create(worker_id=attempt.claimed.id, content="the last event")
    raise AssertionError("the feed ended")


def test_asked_again_it_is_the_same_one(attempt: Attempt, github: GitHub) -> None:
    assert attempt.open() == attempt.open(title="other words")
    assert len(github.pulls) == len(attempt.shown()) == 1


def test_asked_from_all_sides_at_once(attempt: Attempt, github: GitHub) -> None:
    with ThreadPoolExecutor(6) as threads:
        opened = {each.url for each in threads.map(lambda _: attempt.open(), range(6))}
    assert len(opened) == len(github.pulls) == len(attempt.shown()) == 1


def test_a_stale_attempt_causes_nothing(attempt: Attempt, github: GitHub) -> None:
    attempt.owner.tasks.release(id=attempt.claimed.task_id)
    with pytest.raises(LeaseLost, match="released"):
        attempt.open()
    assert github.asked == []
    assert attempt.shown() == []


def test_an_attempt_that_ends_meanwhile_shows_nothing(attempt: Attempt, github: GitHub) -> None:
    def cancel() -> None:
        attempt.owner.tasks.cancel(id=attempt.claimed.task_id)

    github.opened = cancel
    with pytest.raises(LeaseLost, match="cancelled"):
        attempt.open()
    assert attempt.shown() == []


def test_only_for_its_own_worker(attempt: Attempt) -> None:
    with pytest.raises(NotFound):
        attempt.agent.workers.open_pull_request(id="wkr_another", title="Fix it")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(401, {"message": "Bad credentials"}), ForgeRefused),
        (Answer(403, {"message": "No"}), ForgeRefused),
        (Answer(404, {"message": "Not Found"}), ForgeRefused),
        (Answer(422, {"message": "Validation Failed"}), ForgeRefused),
        (Answer(429, {"message": "Slow"}, {"Retry-After": "60"}), RateLimited),
        (Answer(503, {"message": "Away"}), Unavailable),
    ],
)
def test_what_github_refuses_is_told_and_spoils_nothing(
    attempt: Attempt, github: GitHub, answer: Answer, kind: type[Exception]
) -> None:
    github.troubles.append(answer)
    with pytest.raises(kind) as caught:
        attempt.open()
    assert type(caught.value) is kind
    assert TOKEN not in f"{caught.value} {vars(caught.value)}"
    assert attempt.open().number == 1
    assert len(attempt.shown()) == 1


@pytest.mark.parametrize("repo", [None, "https://gitlab.example.com/acme/shop", "/srv/shop.git"])
def test_a_workspace_that_is_not_on_github(
    owner: Client, remote: Path, github: GitHub, repo: str | None
) -> None:
    with pytest.raises(NotConfigured):
        begin(owner, repo, remote).open()
    assert github.asked == []


@pytest.mark.parametrize("http", [False, True])
def test_a_server_without_credentials_says_so(
    database_url: str, github: GitHub, remote: Path, http: bool
) -> None:
    with office(database_url, None, http=http) as owner:
        attempt = begin(owner, github.repo(), remote)
        with pytest.raises(NotConfigured, match="no GitHub credentials"):
            attempt.open()
    assert github.asked == []


class Stopping:
    """A forge that is asked while its broker closes."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge
        self.close: Callable[[], object] = lambda: None

    def open_pull_request(self, order: PullRequestOrder) -> PullRequest:
        opened = self._forge.open_pull_request(order)
        self.close()
        return opened


def test_a_closing_broker_finishes_what_is_under_way(
    database_url: str, forge: GitHubForge, github: GitHub, remote: Path
) -> None:
    stopping = Stopping(forge)
    broker = Broker.open(database_url, BrokerSettings(forge=stopping))
    with (
        Client(EmbeddedTransport(Embedding(broker))) as owner,
        ThreadPoolExecutor(2) as threads,
    ):
        attempt = begin(owner, github.repo(), remote)
        stopping.close = lambda: threads.submit(broker.close)
        opened = threads.submit(attempt.open).result()
    with office(database_url, None, http=False) as owner:
        [artifact] = owner.artifacts.list(worker_id=attempt.claimed.id)
    assert artifact.content == opened.url


ADDRESS = re.compile(r"http://\S+:\d+")


@contextmanager
def server(
    directory: Path, database_url: str, api: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("BUILDD_", "DATABASE_"))}
    settings = {
        "BUILDD_GITHUB_TOKEN": TOKEN,
        "BUILDD_GITHUB_API": api,
        "BUILDD_DATABASE": database_url,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "buildd_server", "--port=0"],
        cwd=directory,
        env={**inherited, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            found = ADDRESS.search(process.stdout.readline())
            assert found, process.communicate()
            yield process, found[0]
        finally:
            process.kill()


def test_a_server_killed_before_it_wrote_finds_it_again(
    database_url: str, github: GitHub, remote: Path, tmp_path: Path
) -> None:
    with (
        server(tmp_path, database_url, github.api) as (process, address),
        connect(address) as owner,
    ):
        attempt = begin(owner, github.repo(), remote)
        github.opened = lambda: os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(Unavailable):
            attempt.open()
    assert len(github.pulls) == 1
    github.opened = lambda: None
    with (
        server(tmp_path, database_url, github.api) as (process, address),
        connect(address) as owner,
    ):
        again = Attempt(owner, owner.with_key(attempt.claimed.lease.token), attempt.claimed)
        assert again.shown() == []
        assert again.open().number == 1
        assert len(github.pulls) == len(again.shown()) == 1
        process.terminate()
        _, told = process.communicate()
    assert TOKEN not in told


def test_a_wrong_key_file_keeps_the_server_from_starting(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("nonsense")
    done = subprocess.run(
        [sys.executable, "-m", "buildd_server", "--port=0"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "BUILDD_GITHUB_APP_ID": "1",
            "BUILDD_GITHUB_APP_KEY_FILE": "key.pem",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        "error: BUILDD_GITHUB_APP_KEY_FILE holds no RSA private key in PEM"
    )
