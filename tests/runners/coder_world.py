"""Coder for the suite that every runner passes: a far end, and the trouble that can be made there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Self

from buildd.roles import ExternalRef
from buildd.testing.runners import Trouble, World
from buildd_runners.coder import launches
from buildd_runners.coder.runner import CoderRunner
from buildd_runners.coder.settings import OnStop, Settings
from tests.far_end import Answer, Asked
from tests.runners.coder_workspace import Workspace
from tests.runners.fake_coder import BROKEN, TOKEN, Coder, refuse


class Clock:
    def __init__(self, coder: Coder) -> None:
        self.coder = coder

    def now(self) -> datetime:
        return self.coder.now


def settings(coder: Coder, **more: Any) -> Settings:
    return Settings(coder.url, TOKEN, "buildd", **more)


def runner_of(coder: Coder, **more: Any) -> CoderRunner:
    return CoderRunner(settings(coder, **more), Clock(coder))


class CoderWorld(World):
    """A Coder on loopback. What others may read of it leaves the template's parameters out:

    those show a key that works once, and for minutes, to whoever may look into the workspace.
    """

    def __init__(self, on_stop: OnStop) -> None:
        self.coder = Coder()
        self.on_stop = on_stop
        self.coder.ending = self._last_script
        self._deaf = False
        self._drained: set[str] = set()
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self.coder.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.coder.__exit__()

    def runner(self) -> CoderRunner:
        return runner_of(self.coder, on_stop=self.on_stop)

    def agents(self, order_id: str) -> int:
        with self.coder.lock:
            return sum(each.alive for each in self.coder.of(order_id))

    def never(self) -> ExternalRef:
        return ExternalRef("coder", "lch_never", "6f1e0a0c-0000-4000-8000-000000000000")

    def public(self) -> Iterable[str]:
        with self.coder.lock:
            for each in self.coder.workspaces.values():
                yield from (each.name, each.error, *each.log)
            for asked in self.coder.asked:
                yield f"{asked.method} {asked.path} {asked.query}"

    def befall(self, trouble: Trouble) -> None:
        def before(asked: Asked) -> Answer | None:
            if asked.method == "GET":
                return None
            self.coder.before = lambda _: None
            if trouble is Trouble.BUSY:
                return refuse(429, "You have reached the limit of requests.")
            if trouble is Trouble.REFUSED:
                return refuse(403, "Unauthorized to create workspace.", detail=str(asked.body))
            if trouble is not Trouble.CALL_LOST:
                self.coder.route(asked)
            if trouble is Trouble.LATE:
                self._over.wait(60)
            return None if trouble is Trouble.TWICE else BROKEN

        self.coder.before = before

    def cut_off(self) -> None:
        self.coder.before = lambda _: BROKEN

    def reconnect(self) -> None:
        self.coder.before = lambda _: None

    def hold(self) -> None:
        self.coder.held = True

    def release(self) -> None:
        self.coder.held = False

    def end(self, order_id: str, exit_code: int) -> None:
        for each in self.coder.of(order_id):
            each.agent, each.lifecycle = "disconnected", "off"

    def vanish(self, order_id: str) -> None:
        for each in self.coder.of(order_id):
            del self.coder.workspaces[each.id]

    def foreign(self) -> None:
        theirs = {"buildd_launch": "lch_theirs"}
        for each in (
            Workspace(launches.name_of("lch_theirs", "other"), theirs, status="running"),
            Workspace("bd-0123456789abcdef01234567", theirs, status="running"),
            Workspace("bd-by-hand", {}, status="running"),
            Workspace("not-bd-at-all", {}, status="running"),
            Workspace(launches.name_of("lch_theirs", "bd"), theirs, "bob", status="running"),
        ):
            self.coder.workspaces[each.id] = each

    def defy(self) -> None:
        self._deaf = True

    def drained(self, order_id: str) -> bool:
        return order_id in self._drained

    def _last_script(self, workspace: Workspace) -> None:
        """Coder's agent runs it before a workspace goes, and Coder does not wait for ever."""
        if not self._deaf:
            self._drained.add(workspace.parameters.get("buildd_launch", ""))

    def lifetime(self) -> float:
        self.coder.rules.ttl = timedelta(hours=1)
        return 3600

    def advance(self, seconds: float) -> None:
        self.coder.advance(seconds)

    def key(self, order_id: str) -> str | None:
        return self.coder.of(order_id)[0].parameters["buildd_key"]

    def arguments(self, order_id: str) -> tuple[str, ...]:
        given = json.loads(self.coder.of(order_id)[0].parameters["buildd_arguments"])
        assert given[:2] == ["--max-tasks=1", "--workspace=ws_1"]
        return tuple(given[2:])

    def misconfigured(self) -> CoderRunner:
        return CoderRunner(Settings(self.coder.url, TOKEN, "no-such-template"))
