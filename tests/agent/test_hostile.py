"""A hostile repository and task text leak no key of ours, and have nothing run by the agent.

One real agent meets all the attacks, four at a time, on one machine and under one user, who has no
powers of root's, such as to look into any process. What the programs of a task can do by themselves
is another matter: see docs/explanation/isolation.md.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from buildd import Client
from buildd.broker import Broker
from buildd.client._embedded import EmbeddedTransport, Embedding
from buildd.models import Task
from buildd.states import TaskStatus
from tests.agent.hostile import CASES, Case
from tests.agent.office import git
from tests.conftest import serving
from tests.patience import PATIENCE

SECRETS = {
    "ANTHROPIC_API_KEY": "sk-ant-api03-aHostileTaskMustNeverSeeThisOne",
    "GITHUB_TOKEN": "ghp_aHostileTaskMustNeverSeeThisOneEither",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIaHostileTaskMustNeverSee",
    "DATABASE_PASSWORD": "correct-horse-battery-staple-00",
}
HANDED = "this-one-is-handed-to-the-command-on-purpose"
PRIVATE = "the private file of a person"
OBEDIENT = r"""sed -n '/^<<<$/,/^>>>$/p' "$BUILDD_TASK_FILE" | sed '1d;$d' | sh"""

_PR_CAPBSET_DROP = 24
_CAPABILITIES = 64


@dataclass
class Scene:
    """Where it happens, and what is left afterwards."""

    root: Path
    key: str
    tasks: dict[str, list[Task]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    stored: str = ""
    log: str = ""

    @property
    def house(self) -> Path:
        return self.root / "house"

    def canary(self, name: str) -> Path:
        return self.root / "canaries" / name.replace(" ", "-")

    def repository(self, name: str) -> Path:
        return self.root / "repositories" / f"{name.replace(' ', '-')}.git"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Scene:
    root = tmp_path_factory.mktemp("hostile")
    database = root / "buildd.db"
    shutil.copy(sqlite_template, database)
    with closing(Broker.open(f"sqlite:///{database}")) as broker:
        owner = Client(EmbeddedTransport(Embedding(broker)))
        account = owner.accounts.create(type="user", name="laptop", max_concurrent_workers=10)
        scene = Scene(root, account.api_key)
        _furnish(scene)
        for name, case in CASES.items():
            _ask(scene, owner, account.id, name, case)
        with serving(broker) as address:
            scene.log = _run(scene, address, owner)
        for name, tasks in scene.tasks.items():
            scene.said[name] = _said(owner, tasks[0])
    with sqlite3.connect(database) as connection:
        scene.stored = _dump(connection)
    connection.close()
    return scene


def _furnish(scene: Scene) -> None:
    for directory in ("canaries", "repositories", "house", "home", "cwd"):
        (scene.root / directory).mkdir()
    (scene.house / "id_rsa").write_text(f"{PRIVATE}\n")
    git(scene.root, "init", "--quiet", "--bare", str(scene.house / "elsewhere.git"))
    _commit(scene.house / "private", f"{PRIVATE}, in a repository")


def _commit(path: Path, text: str) -> None:
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch=main")
    (path / "README.md").write_text(f"{text}\n")
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message=first")


def _ask(scene: Scene, owner: Client, account_id: str, name: str, case: Case) -> None:
    repository = scene.repository(name)
    checkout = scene.root / "repositories" / repository.stem
    _commit(checkout, "a shop")
    git(scene.root, "clone", "--quiet", "--bare", str(checkout), str(repository))
    place = {"repo": str(repository)} if case.clone else {"local_path": str(checkout)}
    workspace = owner.workspaces.create(name=name, **place)  # type: ignore[arg-type]
    owner.accounts.grant(account_id=account_id, workspace_id=workspace.id)
    around = f"export CANARY='{scene.canary(name)}' HOUSE='{scene.house}'"
    first = owner.tasks.create(
        workspace_id=workspace.id,
        title=case.title,
        description=f"<<<\n{around}\n{case.script}\n>>>",
        max_attempts=1,
    )
    scene.tasks[name] = [first]
    if case.clone:
        # What the first has left must not work on the second either.
        second = owner.tasks.create(
            workspace_id=workspace.id,
            title="The next",
            description="<<<\necho next > next.txt; git add .; git commit -qm next\n>>>",
            depends_on=[first.id],
            on_dependency_failure="run",
            max_attempts=1,
        )
        scene.tasks[name].append(second)


def _run(scene: Scene, address: str, owner: Client) -> str:
    """Run an agent until all is over; what it told."""
    harmless = {"PATH": os.environ["PATH"], "HOME": str(scene.root / "home")}
    settings = {"BUILDD_SERVER": address, "BUILDD_API_KEY": scene.key, "DEPLOY_TOKEN": HANDED}
    flags = ["--max-tasks=4", "--executor=command", f"--command={OBEDIENT}"]
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "buildd.cli.agent", *flags),
            *("--pass-env=DEPLOY_TOKEN", f"--state-dir={scene.root / 'state'}"),
        ],
        cwd=scene.root / "cwd",
        env={**harmless, **settings, **SECRETS, "GIT_CONFIG_NOSYSTEM": "1"},
        preexec_fn=_without_powers,  # noqa: PLW1509 - system calls only
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as agent:
        try:
            _await_all(scene, owner, agent)
            agent.terminate()
            told, _ = agent.communicate(timeout=PATIENCE)
        finally:
            agent.kill()
    return told


def _without_powers() -> None:
    prctl = ctypes.CDLL(None).prctl
    for capability in range(_CAPABILITIES):
        prctl(_PR_CAPBSET_DROP, capability)


def _await_all(scene: Scene, owner: Client, agent: subprocess.Popen[str]) -> None:
    over = {TaskStatus.COMPLETED, TaskStatus.FAILED}
    deadline = time.monotonic() + 110
    for tasks in scene.tasks.values():
        for number, task in enumerate(tasks):
            while (seen := owner.tasks.get(id=task.id)).status not in over:
                assert agent.poll() is None, "the agent ended"
                assert time.monotonic() < deadline, f"{task.title} did not end"
                time.sleep(0.05)
            tasks[number] = seen


def _said(owner: Client, task: Task) -> str:
    [worker] = owner.workers.list(task_id=task.id)
    messages = owner.messages.list(worker_id=worker.id, limit=200)
    return "".join(message.content or "" for message in reversed(messages))


def _dump(connection: sqlite3.Connection) -> str:
    """All that the server stores, as text."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    rows = (row for (name,) in names for row in connection.execute(f'SELECT * FROM "{name}"'))  # noqa: S608
    return "\n".join(
        value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        for row in rows
        for value in row
    )


@pytest.mark.parametrize("name", CASES)
def test_nothing_runs_outside(scene: Scene, name: str) -> None:
    case, (task, *following) = CASES[name], scene.tasks[name]
    assert not os.path.lexists(scene.canary(name)), "the agent ran what the task left"
    assert task.status.value in case.ends, task.error
    for words in case.said:
        assert words in scene.said[name]
    for next_task in following:
        assert next_task.status is TaskStatus.COMPLETED, next_task.error


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.clone])
def test_what_is_pushed_goes_to_the_workspaces_repo(scene: Scene, name: str) -> None:
    remote = scene.repository(name)
    pushed = git(remote, "branch", "--list", "buildd/*").split()
    branches = [str(task.result["branch"]) for task in scene.tasks[name] if task.result]
    assert sorted(pushed) == sorted(branches)
    assert len(branches) == 2
    # The next task began with what the repository holds, whatever the first made of the clone.
    assert git(remote, "show", f"{branches[1]}:README.md") == "a shop"
    assert git(remote, "rev-parse", f"{branches[1]}~1") == git(remote, "rev-parse", "main")


def test_no_key_is_stored_or_told(scene: Scene) -> None:
    for secret in (scene.key, *SECRETS.values()):
        for form in (secret, secret[::-1], secret.encode().hex()):
            assert form not in scene.stored
            assert form not in scene.log
    assert HANDED not in scene.stored + scene.log
    assert "buildd_lease_" not in scene.stored + scene.log


def test_no_file_of_the_persons_own_is_read_or_changed(scene: Scene) -> None:
    assert PRIVATE not in scene.stored + scene.log
    private = scene.house / "private"
    assert git(private, "status", "--porcelain") == ""
    assert git(private, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert git(private, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(scene.house / "elsewhere.git", "for-each-ref") == ""
    assert sorted(path.name for path in scene.house.iterdir()) == [
        "elsewhere.git",
        "id_rsa",
        "private",
    ]
    for name, tasks in scene.tasks.items():
        for task in tasks:
            if task.result and task.result["commits"]:
                where = scene.repository(name)
                where = where if CASES[name].clone else where.with_suffix("")
                branch = str(task.result["branch"])
                assert "id_rsa" not in git(where, "ls-tree", "-r", "--name-only", branch).split()
                assert PRIVATE not in git(where, "log", "-p", f"main..{branch}")


def test_no_process_is_left(scene: Scene) -> None:
    marked = [task.id for tasks in scene.tasks.values() for task in tasks]
    left = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("BUILDD_TASK_ID") in marked:
                left.append(process.cmdline())
        except psutil.Error:
            continue
    assert left == []


def test_a_terminal_obeys_nothing_that_the_agent_tells(scene: Scene) -> None:
    assert not [c for c in scene.log if not c.isprintable() and c != "\n"]
