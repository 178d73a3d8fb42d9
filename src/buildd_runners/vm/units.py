"""Agents as transient units of systemd, on hosts that have it; elsewhere as sessions of their own.

A unit is ended with everything it started, in whatever session that is, and cannot take all memory
of the machine. Its name comes from the launch's directory, so there is never a second one.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import subprocess
from pathlib import Path

import anyio
import anyio.to_thread

from buildd.clock import elapsed
from buildd.errors import ConfigError, Unavailable
from buildd.roles import ExternalRef, LaunchOrder, LaunchState, Observation
from buildd_runners.environment import inherited
from buildd_runners.local import LocalRunner, agent_of, environment_of

_UNIT = re.compile(r"(system|user):(buildd-[A-Za-z0-9_-]+\.service)")
"""How a reference names a unit: with the manager that has it."""
_ENDED = "ended"
"""The file in a launch's directory that holds how its unit ended, which systemd itself forgets."""
_ANSWER = 20.0
_POLL = 0.1
_KILL = 15.0
"""Seconds in which what was killed must be gone."""

# SIGTERM is for the agent alone, which drains; what is left when it has ended is killed. A task that
# eats all memory is ended by itself, and neither its agent nor the machine with it.
_PROPERTIES = (
    "Type=exec",
    "KillMode=mixed",
    "TimeoutStopSec=120",
    "MemoryMax=80%",
    "TasksMax=4096",
    "OOMPolicy=continue",
    f"ExecStopPost=/bin/sh -c 'echo \"$EXIT_CODE $EXIT_STATUS\" > {_ENDED}'",
)
_STATES = {
    "activating": LaunchState.PENDING,
    "active": LaunchState.RUNNING,
    "reloading": LaunchState.RUNNING,
    "deactivating": LaunchState.RUNNING,
}


class UnitRunner(LocalRunner):
    """What a local runner is, with units where there is a systemd to keep them."""

    def _start(self, order: LaunchOrder, directory: Path) -> str:
        scope = manager()
        return super()._start(order, directory) if scope is None else _run(scope, order, directory)

    def _orphan(self, directory: Path) -> str | None:
        scope = manager()
        unit = f"{scope}:{_name(directory)}"
        if _UNIT.fullmatch(unit):
            there = _show(unit).get("LoadState") == "loaded"
            if there or (directory / _ENDED).exists():
                return unit
        return super()._orphan(directory)

    async def observe(self, ref: ExternalRef) -> Observation:
        """How its unit is, or its process. Raises `Unavailable` if systemd does not answer."""
        if not _UNIT.fullmatch(ref.external_id):
            return await super().observe(ref)
        shown = await anyio.to_thread.run_sync(_show, ref.external_id)
        state = _STATES.get(shown.get("ActiveState", ""))
        if state is not None:
            return Observation(state, f"its unit is {shown['ActiveState']}")
        return self._ended(ref)

    def _ended(self, ref: ExternalRef) -> Observation:
        directory = self._directory(ref.order_id)
        try:
            how, status = (directory / _ENDED).read_text().split()
        except (FileNotFoundError, NotADirectoryError, ValueError):
            if (directory / "process").exists():
                return Observation(LaunchState.EXITED, "its unit has ended")
            return Observation(LaunchState.GONE, "never started here, or cleaned up")
        if how == "exited" and status.isdecimal():
            return Observation(LaunchState.EXITED, f"exit code {status}", int(status))
        return Observation(LaunchState.EXITED, f"its unit was {how} ({status})")

    async def stop(self, ref: ExternalRef, grace: float) -> None:
        """SIGTERM once, which drains; after `grace` seconds the whole unit is killed."""
        if not _UNIT.fullmatch(ref.external_id):
            return await super().stop(ref, grace)
        if await self._over(ref, 0):
            return None
        if self._first_to_ask(ref.order_id):
            await anyio.to_thread.run_sync(_kill, ref.external_id, "main", "TERM")
        if not await self._over(ref, grace):
            await anyio.to_thread.run_sync(_kill, ref.external_id, "all", "KILL")
            if not await self._over(ref, _KILL):
                raise Unavailable(f"{ref.external_id} does not end, though it was killed")
        return None

    async def _over(self, ref: ExternalRef, within: float) -> bool:
        until = elapsed() + within
        while (await self.observe(ref)).state in _STATES.values():
            if elapsed() >= until:
                return False
            await anyio.sleep(_POLL)
        return True


def manager() -> str | None:
    """The systemd that can keep units beyond this connection: `system` for root, else `user`."""
    if os.getuid() == 0 and _answers("system"):
        return "system"
    return "user" if _answers("user") and _lingers() else None


def _answers(scope: str) -> bool:
    try:
        return _call("systemctl", f"--{scope}", "show", "--property=Version").returncode == 0
    except Unavailable:
        return False


def _lingers() -> bool:
    """Whether the user's systemd lives on when nobody is logged in. It is asked for, once."""
    who = getpass.getuser()
    try:
        asked = _call("loginctl", "show-user", who, "--property=Linger", "--value")
        if asked.stdout.strip() == b"yes":
            return True
        return _call("loginctl", "--no-ask-password", "enable-linger", who).returncode == 0
    except Unavailable:
        return False


def _name(directory: Path) -> str:
    """Another server's launch may have the same id, but never the same directory."""
    whose = hashlib.sha256(str(directory).encode()).hexdigest()[:12]
    return f"buildd-{directory.name}-{whose}.service"


def _run(scope: str, order: LaunchOrder, directory: Path) -> str:
    name = _name(directory)
    log = f"append:{directory / 'log'}"
    properties = (*_PROPERTIES, f"StandardOutput={log}", f"StandardError={log}")
    # systemd would put variables of its own in the place of these signs.
    command = [word.replace("$", "$$") for word in agent_of(order)]
    done = _call(
        *("systemd-run", f"--{scope}", "--quiet", "--collect", f"--unit={name}"),
        f"--working-directory={directory}",
        *(f"--property={each}" for each in properties),
        *(f"--setenv={key}={value}" for key, value in environment_of(directory).items()),
        *("--", *command),
    )
    said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    if done.returncode != 0 and "already" not in said:
        error = ConfigError if "executable" in said or "status=203" in said else Unavailable
        raise error(f"systemd starts no agent: {said}")
    return f"{scope}:{name}"


def _show(unit: str) -> dict[str, str]:
    """What systemd says of a unit; of one that it does not know, that it is inactive."""
    scope, _, name = unit.partition(":")
    asked = ("--property=LoadState", "--property=ActiveState")
    done = _call("systemctl", f"--{scope}", "show", *asked, "--", name)
    if done.returncode != 0:
        raise Unavailable("systemd does not answer")
    lines = done.stdout.decode().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _kill(unit: str, whom: str, number: str) -> None:
    scope, _, name = unit.partition(":")
    # One that has ended meanwhile cannot be asked; whoever called looks whether it has.
    _call("systemctl", f"--{scope}", "kill", f"--kill-who={whom}", f"--signal={number}", name)


def _call(*words: str) -> subprocess.CompletedProcess[bytes]:
    # A program that comes by SSH is told of no user's systemd where there is no login session.
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    try:
        return subprocess.run(
            words,
            env={**inherited(), "XDG_RUNTIME_DIR": runtime},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWER,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        raise Unavailable(f"{words[0]} does not answer") from None
