"""A day's work of one agent process, in minutes: many short tasks while everything around it breaks.

`python -m tests.agent.day` prints a table of what the agent held on to, and ends with 1 if that grew
or if anything was left. The server is killed and comes back, connections are cut in the middle of an
answer or go silent; the tasks work, print a lot, fail, hang, and leave processes behind.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import psutil

import buildd
from buildd import Client
from buildd.agent.process import MARK
from buildd.errors import BuilddError
from buildd.models import Account, Task, Workspace
from buildd.operations import BatchedTask
from buildd.states import CLOSED, TaskStatus
from tests.agent.office import git
from tests.chaos.parts import ADMIN_KEY, ServerProcess
from tests.chaos.proxy import Proxy

COMMAND = """
case "$(head -n 1 "$BUILDD_TASK_FILE")" in
*hang*) setsid sleep 600 & sleep 600 ;;
*fail*) echo "it is broken" >&2; exit 3 ;;
*chat*) seq 1 20000 ; echo work > work.txt ;;
*stay*) setsid sleep 600 & echo work > work.txt ;;
*) echo work > work.txt; echo "$BUILDD_CONTROL progress=50" ;;
esac
"""
KINDS = ("work", "work", "fail", "work", "chat", "work", "stay", "work", "hang", "work")
WRONG = ("fail", "hang")
"""The kinds of task that cannot be completed."""
_PATIENCE = 1800.0
_BATCH = 50
_MOST_MEGABYTES = 6.0
_MOST_FILES = 6.0
"""By how much more the agent may hold in the last quarter than in the second."""


@dataclass(frozen=True)
class Plan:
    """How long a day is."""

    tasks: int = 200
    at_once: int = 3
    ttl: float = 6.0
    pause: float = 2.0
    """Seconds between two faults at least; and one more task has been done."""
    seed: int = 1


@dataclass(frozen=True)
class Sample:
    """What the agent held at one moment."""

    done: int
    megabytes: float
    files: int
    threads: int


@dataclass
class Day:
    """What was seen, and what was left at its end."""

    plan: Plan
    seconds: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    left: dict[str, int] = field(default_factory=dict)
    told: str = ""

    def held(self, what: Callable[[Sample], float], quarter: int) -> float:
        """The median of a figure during a quarter of the tasks; the first one is the warm-up."""
        size = self.plan.tasks / 4
        chosen = [
            each for each in self.samples if (quarter - 1) * size <= each.done < quarter * size
        ]
        return statistics.median(what(each) for each in chosen or self.samples[-1:])

    @property
    def is_flat(self) -> bool:
        """Whether the agent holds no more at the end than after it had warmed up."""
        limits = ((_megabytes, _MOST_MEGABYTES), (_files, _MOST_FILES))
        return all(self.held(what, 4) - self.held(what, 2) <= most for what, most in limits)

    @property
    def is_clean(self) -> bool:
        """Whether all ended as it should, and nothing is left."""
        return not any(self.left.values())

    def table(self) -> str:
        """The figures, as a table that can stand in the documentation."""
        rows = {
            "tasks": f"{self.plan.tasks}, {self.plan.at_once} at once",
            **{f"- {kind}": str(count) for kind, count in sorted(self.ended.items())},
            "faults": str(self.faults.total()),
            **{f"- {kind}": str(count) for kind, count in sorted(self.faults.items())},
            "resident memory, MB": self._spread(_megabytes),
            "open files": self._spread(_files),
            "threads": self._spread(lambda sample: sample.threads),
            **{f"**{what}**": str(count) for what, count in self.left.items()},
            "seconds": f"{self.seconds:.0f}",
        }
        lines = [f"| {name} | {value} |" for name, value in rows.items()]
        return "\n".join(["| (2nd quarter / 4th quarter / most) | |", "|---|---:|", *lines])

    def _spread(self, what: Callable[[Sample], float]) -> str:
        most = max(what(each) for each in self.samples)
        return f"{self.held(what, 2):.0f} / {self.held(what, 4):.0f} / {most:.0f}"


def _megabytes(sample: Sample) -> float:
    return sample.megabytes


def _files(sample: Sample) -> float:
    return sample.files


class Work:
    """One day: an installation, its tasks, and the agent that does them."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._directory = directory
        self._state = directory / "state"
        self._day = Day(plan)
        self._random = random.Random(plan.seed)
        self._server = ServerProcess(f"sqlite:///{directory}/day.db", plan.ttl, directory / "log")
        self._evening = threading.Event()

    def run(self) -> Day:
        """Live through it."""
        began = time.monotonic()
        self._server.start()
        self._server.wait_ready()
        proxy = Proxy(self._server.port)
        owner = buildd.connect(self._server.url, api_key=ADMIN_KEY)
        try:
            account, workspace = self._install(owner)
            self._create(owner, workspace)
            with self._agent(account, proxy.port) as agent, self._faults(proxy):
                tasks = self._watch(owner, agent)
            self._look_back(owner, tasks)
        finally:
            owner.close()
            proxy.close()
            self._server.kill()
        self._day.seconds = time.monotonic() - began
        return self._day

    def _install(self, owner: Client) -> tuple[Account, Workspace]:
        shop = self._directory / "shop"
        shop.mkdir()
        git(shop, "init", "--quiet", "--initial-branch=main")
        git(shop, "commit", "--quiet", "--allow-empty", "--message=first")
        git(self._directory, "clone", "--quiet", "--bare", str(shop), "shop.git")
        account = owner.accounts.create(type="user", name="laptop", max_concurrent_workers=10)  # type: ignore[arg-type]
        workspace = owner.workspaces.create(name="shop", repo=str(self._directory / "shop.git"))
        owner.accounts.grant(account_id=account.id, workspace_id=workspace.id)
        return account, workspace

    def _create(self, owner: Client, workspace: Workspace) -> None:
        kinds = [KINDS[number % len(KINDS)] for number in range(self._plan.tasks)]
        new = [
            BatchedTask(
                workspace_id=workspace.id,
                title=f"{kind} {number}",
                max_attempts=1 if kind in WRONG else 10,
                timeout_seconds=2 if kind == "hang" else None,
            )
            for number, kind in enumerate(kinds)
        ]
        for first in range(0, len(new), _BATCH):
            owner.tasks.create_many(tasks=new[first : first + _BATCH])

    @contextmanager
    def _agent(self, account: Account, port: int) -> Iterator[psutil.Process]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("BUILDD")}
        key = getattr(account, "api_key")  # noqa: B009 - only a new account has it
        settings = {"BUILDD_SERVER": f"http://127.0.0.1:{port}", "BUILDD_API_KEY": key}
        flags = [f"--state-dir={self._state}", f"--max-tasks={self._plan.at_once}"]
        agent = subprocess.Popen(
            [sys.executable, "-m", "buildd.cli.agent", *flags, f"--command={COMMAND}"],
            cwd=self._directory,
            env={**inherited, **settings},
            stderr=subprocess.PIPE,
            text=True,
        )
        told: list[str] = []
        assert agent.stderr is not None
        reader = threading.Thread(target=lambda: told.extend(agent.stderr or ()), daemon=True)
        reader.start()
        try:
            yield psutil.Process(agent.pid)
            agent.send_signal(signal.SIGTERM)
            self._day.left["exit code of the agent"] = agent.wait(120)
        finally:
            agent.kill()
            agent.wait()
            reader.join()
            agent.stderr.close()
            self._day.told = "".join(told)

    @contextmanager
    def _faults(self, proxy: Proxy) -> Iterator[None]:
        """Break something every few seconds."""

        def break_things() -> None:
            seen = 0
            while not self._evening.wait(self._plan.pause):
                # By the work that is done, so that a slow machine is not all faults.
                if len(self._day.samples) and self._day.samples[-1].done > seen:
                    seen = self._day.samples[-1].done
                    self._break(proxy)

        thread = threading.Thread(target=break_things)
        thread.start()
        try:
            yield
        finally:
            self._evening.set()
            thread.join()
            proxy.flow()
            self._server.wait_recovered()

    def _break(self, proxy: Proxy) -> None:
        fault = self._random.choice(("server killed", "connections cut", "answer cut", "silence"))
        self._day.faults[fault] += 1
        match fault:
            case "server killed":
                self._server.strike()
            case "connections cut":
                proxy.cut()
            case "answer cut":
                proxy.cut_after(self._random.randrange(2000))
            case _:
                proxy.hold()
                self._evening.wait(1.5)
                proxy.flow()

    def _watch(self, owner: Client, agent: psutil.Process) -> list[Task]:
        """Wait until all is done, and look at the agent meanwhile."""
        patience = time.monotonic() + _PATIENCE
        while time.monotonic() < patience:
            with suppress(BuilddError):  # the server is away at times
                tasks = _all_tasks(owner)
                done = sum(task.status in CLOSED for task in tasks)
                self._day.samples.append(_sample(agent, done))
                if done == self._plan.tasks:
                    return tasks
            time.sleep(0.25)
        raise SystemExit("the day did not end")

    def _look_back(self, owner: Client, tasks: list[Task]) -> None:
        """Count what should not be there."""
        self._day.ended = Counter(f"{task.title.split()[0]}: {task.status}" for task in tasks)
        good = [task for task in tasks if task.title.split()[0] not in WRONG]
        at_remote = git(self._directory / "shop.git", "branch", "--list", "buildd/*")
        self._day.left |= {
            "tasks that ended wrongly": sum(
                (task.status is TaskStatus.COMPLETED) is not (task in good) for task in tasks
            ),
            "results whose commits are not at the remote": sum(
                not task.result or str(task.result["branch"]) not in at_remote for task in good
            ),
            "processes left": _marked({worker.id for worker in _all_workers(owner)}),
            **{
                f"{name} left": len(list((self._state / name).glob("*")))
                for name in ("worktrees", "scratch", "sessions", "outbox")
            },
        }


def _all_tasks(owner: Client) -> list[Task]:
    return [task for page in _pages(owner.tasks.list) for task in page]


def _all_workers(owner: Client) -> list[buildd.Worker]:
    return [worker for page in _pages(owner.workers.list) for worker in page]


def _pages(listing: Callable[..., list[Any]]) -> Iterator[list[Any]]:
    cursor = None
    while page := listing(limit=200, cursor=cursor):
        yield page
        cursor = page[-1].id


def _sample(agent: psutil.Process, done: int) -> Sample:
    with agent.oneshot():
        memory = agent.memory_info().rss / 2**20
        return Sample(done, memory, agent.num_fds(), agent.num_threads())


def _marked(workers: set[str]) -> int:
    found = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            found += process.environ().get(MARK) in workers
    return found


def spend(plan: Plan) -> Day:
    """A day in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="buildd-day-") as directory:
        return Work(plan, Path(directory)).run()


@click.command()
@click.option("--tasks", default=Plan.tasks, show_default=True, help="How much work there is.")
@click.option("--at-once", default=Plan.at_once, show_default=True, help="How much at once.")
@click.option("--ttl", default=Plan.ttl, show_default=True, help="Seconds a lease lives.")
@click.option(
    "--pause", default=Plan.pause, show_default=True, help="Seconds between two faults, at least."
)
@click.option("--seed", default=Plan.seed, show_default=True, help="Chooses the faults.")
def main(**sizes: float) -> None:
    """Have one agent do a day's work, and show what it held on to."""
    day = spend(Plan(**sizes))  # type: ignore[arg-type]
    click.echo(day.table())
    if not (day.is_clean and day.is_flat):
        click.echo(day.told, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
