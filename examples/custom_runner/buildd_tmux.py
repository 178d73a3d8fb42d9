"""Agents in tmux sessions, where people can watch them: `tmux -L buildd attach`.

A session is named after its order, and tmux has no two sessions of one name: that makes `ensure`
idempotent, also when its answer was lost. A session stays when its agent has ended, so an order is
never started twice. The key travels in a private file, which agents read in their working directory.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import anyio
from pydantic import JsonValue

from buildd.errors import ConfigError, Unavailable
from buildd.plugins import hookimpl
from buildd.plugins.hookspecs import RegisterRunner
from buildd.roles import ExternalRef, LaunchOrder, LaunchState, Observation
from buildd.routing import AccountType

NAME = "tmux"
_PREFIX = "buildd-"
_PASSED = ("PATH", "HOME", "LANG", "TERM", "TMUX_TMPDIR", "USER", "SHELL")
_NOBODY_THERE = re.compile("no server running|No such file or directory")
_PANES = "#{session_name} #{pane_pid} #{pane_dead} #{pane_dead_status}"


@hookimpl
def register_runners(register: RegisterRunner) -> None:
    """`tmux`: agents in tmux sessions on this machine."""
    register(NAME, from_config)


def from_config(config: Mapping[str, JsonValue]) -> TmuxRunner:
    """Made of `directory`, where launches are kept, and `socket`, tmux' name for its server."""
    directory, socket = config.get("directory"), config.get("socket", "buildd")
    if not isinstance(directory, str) or not isinstance(socket, str):
        raise ConfigError('the runner `tmux` needs {"directory": "/where/launches/are"}')
    return TmuxRunner(Path(directory), socket)


class Pane(NamedTuple):
    """Where one agent runs, or ran."""

    pid: int
    exit_code: int | None
    over: bool


class TmuxRunner:
    """One session for each order."""

    def __init__(
        self,
        directory: Path,
        socket: str,
        tmux: str = "tmux",
        agent: Sequence[str] = (sys.executable, "-m", "buildd.cli.agent"),
    ) -> None:
        self._directory = directory
        self._tmux = (tmux, "-L", socket)
        self._agent = agent

    @property
    def serves(self) -> frozenset[AccountType]:
        """A person's machine or a service's."""
        return frozenset({AccountType.USER, AccountType.SERVICE})

    async def ensure(self, order: LaunchOrder) -> ExternalRef:
        """Make the session, unless there is one."""
        place = self._prepared(order)
        argv = [*self._agent, f"--max-tasks={order.max_tasks}"]
        argv += [f"--workspace={order.workspace_id}"] if order.workspace_id else []
        argv += order.arguments
        name = _PREFIX + order.id
        said = await self._ask(
            *("start-server", ";", "set-option", "-g", "remain-on-exit", "on", ";"),
            *("new-session", "-d", "-s", name, "-c", str(place)),
            # The agent believes the whole file only in the directory that this names.
            *("-e", f"BUILDD_LAUNCH={place}"),
            # A semicolon at the end of an argument would end tmux' own command.
            *(re.sub(";$", r"\\;", each) for each in argv),
        )
        if said.problem and "duplicate session" not in said.problem:
            raise Unavailable(f"tmux: {said.problem}")
        return ExternalRef(NAME, order.id, name)

    async def observe(self, ref: ExternalRef) -> Observation:
        """Whether its session is there, and its agent at work."""
        try:
            pane = (await self._panes()).get(ref.external_id)
        except Unavailable as problem:
            return Observation(LaunchState.UNKNOWN, str(problem))
        if pane is None:
            return Observation(LaunchState.GONE, "there is no such session")
        if pane.over:
            return Observation(LaunchState.EXITED, "its agent has ended", pane.exit_code)
        return Observation(LaunchState.RUNNING)

    async def stop(self, ref: ExternalRef, grace: float) -> None:
        """SIGTERM once, which drains; after `grace` seconds SIGKILL for its process group."""
        until = anyio.current_time() + grace
        while (pane := (await self._panes()).get(ref.external_id)) and not pane.over:
            with contextlib.suppress(ProcessLookupError):
                if self._first_to_ask(ref.order_id):
                    os.kill(pane.pid, signal.SIGTERM)
                if anyio.current_time() >= until:
                    os.killpg(pane.pid, signal.SIGKILL)
            await anyio.sleep(0.1)

    async def list_owned(self) -> list[ExternalRef]:
        """Every session of ours in which an agent works."""
        return [
            ExternalRef(NAME, name.removeprefix(_PREFIX), name)
            for name, pane in (await self._panes()).items()
            if name.startswith(_PREFIX) and not pane.over
        ]

    async def extend(self, ref: ExternalRef, seconds: float) -> None:
        """Nothing to do: a session does not end by itself."""

    async def check(self) -> None:
        """There must be a tmux, and a directory to write to."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise ConfigError(f"{self._directory}: {problem.strerror}") from None
        await self._panes()

    def _prepared(self, order: LaunchOrder) -> Path:
        """The agent's working directory, with its settings in a file that only its user can read."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", order.id):
            raise ConfigError(f"{order.id!r} cannot name a launch")
        place = self._directory / order.id
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        ours = {"BUILDD_SERVER": order.server, "BUILDD_API_KEY": order.key}
        lines = [
            f"{name}={json.dumps(value, ensure_ascii=False)}\n"
            for name, value in {**order.settings, **ours}.items()
        ]
        descriptor, fresh = tempfile.mkstemp(dir=place)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(lines)
        Path(fresh).replace(place / ".env")
        return place

    def _first_to_ask(self, order_id: str) -> bool:
        try:
            (self._directory / order_id / "asked").touch(exist_ok=False)
        except FileExistsError:
            return False
        except OSError:
            pass  # It must end, even where nothing can be written down.
        return True

    async def _panes(self) -> dict[str, Pane]:
        """Every session there is. Raises `Unavailable`."""
        said = await self._ask("list-panes", "-a", "-F", _PANES)
        if said.problem and not _NOBODY_THERE.search(said.problem):
            raise Unavailable(f"tmux: {said.problem}")
        found = {}
        for name, pid, dead, *code in map(str.split, said.answer.splitlines()):
            found[name] = Pane(int(pid), int(code[0]) if code else None, dead == "1")
        return found

    async def _ask(self, *arguments: str) -> Said:
        environment = {each: os.environ[each] for each in _PASSED if each in os.environ}
        try:
            # Cancelled in the middle, it would leave a process that nobody buries.
            with anyio.CancelScope(shield=True):
                done = await anyio.run_process(
                    [*self._tmux, *arguments], check=False, env=environment, stdin=None
                )
        except FileNotFoundError:
            raise ConfigError(f"{self._tmux[0]} is not installed") from None
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        problem = (lines or [f"exit code {done.returncode}"])[0] if done.returncode else ""
        return Said(done.stdout.decode(errors="replace"), problem)


class Said(NamedTuple):
    """What tmux answered; `problem` is empty if it did as told."""

    answer: str
    problem: str
