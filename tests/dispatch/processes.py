"""Campaigns with real agent processes: the calls that start and end them fail, and the server is killed."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psutil

from buildd import Client, connect
from buildd.broker import Broker, BrokerSettings, Means, Pace
from buildd.models import Task
from buildd.states import TaskStatus
from buildd_runners.local import LocalRunner
from tests.conftest import serving
from tests.dispatch.figures import Figures
from tests.dispatch.installation import open_installation
from tests.dispatch.mishaps import Mishaps, Unlucky

QUICK = Pace(
    tick=0.1,
    turn=30,
    call=20,
    look=0.5,
    trouble=0.2,
    sweep=1,
    failing=0.1,
    failing_most=0.5,
    untaken=0,
)
_PATIENCE = 1800.0
# What is held waits until its launch is stopped; the next attempt at it works.
_COMMAND = (
    'echo run >>"{at}/runs/$BUILDD_TASK_ID"; [ ! -e "{at}/held/$BUILDD_TASK_ID" ] || sleep 600'
)


class Stage:
    """Tasks for a pool of local agents: every third one is stopped by a person in its first attempt."""

    def __init__(self, bd: Client, directory: Path, server: str, maximum: int) -> None:
        self.bd = bd
        self._at = directory
        (directory / "runs").mkdir()
        (directory / "held").mkdir()
        account = bd.accounts.create(type="service", name="fleet", max_concurrent_workers=maximum)
        self._workspace = bd.workspaces.create(name="shop").id
        bd.accounts.grant(account_id=account.id, workspace_id=self._workspace)
        bd.pools.create(
            name="fleet",
            account_id=account.id,
            runner="local",
            config={"state_dir": str(directory / "launched")},
            server=server,
            maximum=maximum,
            arguments=[
                "--executor=command",
                f"--command={_COMMAND.format(at=directory)}",
                f"--state-dir={directory / 'agents'}",
                "--drain-timeout=0",
            ],
        )
        self._tasks: list[Task] = []

    def begin(self, tasks: int) -> None:
        """Make the tasks."""
        for number in range(tasks):
            # Not claimable before it is known whether it is to be held.
            task = self.bd.tasks.create(
                workspace_id=self._workspace,
                title=f"work {number}",
                max_attempts=20,
                required_capabilities=["later"],
            )
            if number % 3 == 2:
                (self._at / "held" / task.id).touch()
            self._tasks.append(self.bd.tasks.update(id=task.id, required_capabilities=[]))

    def go_on(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Until every task is done and no launch is open; what is held is stopped."""
        deadline = time.monotonic() + _PATIENCE
        while self.unfinished() or self.bd.launches.list(open=True):
            assert time.monotonic() < deadline, "the campaign does not come to its end"
            self._stop_held()
            meanwhile()
            time.sleep(0.1)

    def unfinished(self) -> int:
        now = (self.bd.tasks.get(id=task.id) for task in self._tasks)
        return sum(task.status is not TaskStatus.COMPLETED for task in now)

    def double_runs(self) -> int:
        """Runs of the command beyond one for each attempt, and agents beyond one for each launch."""
        extra = 0
        for task in self._tasks:
            runs = (self._at / "runs" / task.id).read_text().count("run")
            extra += max(0, runs - len(self.bd.workers.list(task_id=task.id)))
        logs = (self._at / "launched" / "launches").glob("*/log")
        return extra + sum(max(0, log.read_text().count("ready, as") - 1) for log in logs)

    def orphans(self) -> int:
        """Agents that live on, and whatever they started."""
        mark = str(self._at / "launched")
        found = 0
        for each in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                ours = each.environ().get("BUILDD_LAUNCH", "").startswith(mark)
                found += ours and each.status() != psutil.STATUS_ZOMBIE
        return found

    def judge(self, figures: Figures) -> Figures:
        """Compare what there should be with what there is."""
        figures.launches = sum(1 for _ in self._launches())
        figures.unfinished = self.unfinished()
        figures.double_runs = self.double_runs()
        figures.orphans = self.orphans()
        return figures

    def _launches(self) -> Iterator[str]:
        cursor = None
        while page := self.bd.launches.list(limit=200, cursor=cursor):
            yield from (each.id for each in page)
            cursor = page[-1].id

    def _stop_held(self) -> None:
        for held in list((self._at / "held").iterdir()):
            if (self._at / "runs" / held.name).exists():
                for launch in self.bd.launches.list(task_id=held.name, open=True):
                    held.unlink(missing_ok=True)
                    self.bd.launches.stop(id=launch.id)


def unlucky_calls(directory: Path, tasks: int, seed: int) -> Figures:
    """Two dispatchers on one database, whose every call of the local runner fails in every way first."""
    began, mishaps = time.monotonic(), Mishaps(seed)
    with ExitStack() as held:
        means = Means(lambda _, config: Unlucky(LocalRunner.from_config(config), mishaps))
        settings = BrokerSettings(means=means, pace=QUICK)
        url = f"sqlite:///{directory}/buildd.db"
        broker, _ = (held.enter_context(closing(Broker.open(url, settings))) for _ in range(2))
        server = held.enter_context(serving(broker))
        stage = Stage(held.enter_context(connect(server)), directory, server, maximum=4)
        stage.begin(tasks)
        stage.go_on()
        figures = stage.judge(Figures("real agents, faults in every call of two dispatchers"))
    figures.faults = mishaps.met.total()
    figures.seconds = time.monotonic() - began
    return figures


def killed_server(directory: Path, tasks: int, kills: int, seed: int) -> Figures:
    """A real server that is killed again and again while it starts real agents."""
    began, chance = time.monotonic(), random.Random(seed)
    moments = [chance.uniform(0, 2) for _ in range(kills)]
    with open_installation(directory / "server") as made:

        def strike() -> None:
            if moments:
                time.sleep(moments.pop())
                made.end(signal.SIGKILL)
                made.start()

        stage = Stage(made.bd, directory, made.url, maximum=4)
        stage.begin(tasks)
        stage.go_on(strike)
        figures = stage.judge(Figures("real agents, a server that is killed", faults=kills))
    figures.seconds = time.monotonic() - began
    return figures
