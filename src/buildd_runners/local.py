"""The `local` runner: agents as processes on this machine, each in a session and group of its own.

One directory per launch holds all there is to know about it: the order's settings in a private
`.env` (an agent reads the one in its working directory, so no secret is in an argv or an
environment), its log, and the identity of its process. A runner that starts anew finds them there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import anyio.to_thread
from pydantic import JsonValue

from buildd.agent import process
from buildd.agent.locks import exclusive
from buildd.agent.options import default_state_dir
from buildd.errors import ConfigError, Unavailable
from buildd.roles import ExternalRef, LaunchOrder, LaunchState, Observation
from buildd.routing import AccountType
from buildd_runners import handover
from buildd_runners.environment import inherited

NAME = "local"
_MARK = handover.LAUNCH
"""The variable that marks every process of a launch. Its value is the launch's directory: another
server on this machine may have an order with the same id, and what runs for that is not ours."""
_PASSED = ("SSH_AUTH_SOCK",)
"""What an agent inherits besides: it pushes with the person's own keys."""
_SAFE = re.compile(r"[A-Za-z0-9_-]{1,100}")
_POLL = 0.05
_ERROR = "buildd-agent: error: "
"""How the line begins in which an agent says why it ends."""
_LONGEST = 1000
"""Bytes of such a line."""

# Only the parent learns an exit code, and only it can bury the dead.
_children: dict[str, subprocess.Popen[bytes]] = {}


class LocalRunner:
    """Agents on this machine."""

    def __init__(self, state_dir: Path | None = None) -> None:
        self._launches = (state_dir or default_state_dir()).resolve() / "launches"

    @classmethod
    def from_config(cls, config: Mapping[str, JsonValue]) -> LocalRunner:
        """Made of `state_dir`, if given. Raises `ConfigError`."""
        unknown = sorted(config.keys() - {"state_dir"})
        if unknown:
            raise ConfigError(f"{unknown[0]} is no setting of the runner `local`")
        directory = config.get("state_dir")
        if directory is None:
            return cls()
        # Started in another directory, the server would not find what a relative one holds.
        if not isinstance(directory, str) or not Path(directory).is_absolute():
            raise ConfigError("state_dir must be an absolute path")
        return cls(Path(directory))

    @property
    def serves(self) -> frozenset[AccountType]:
        """A person's machine or a service's; never GitHub Actions."""
        return frozenset({AccountType.USER, AccountType.SERVICE})

    async def ensure(self, order: LaunchOrder) -> ExternalRef:
        """Start the agent, unless it was started before."""
        directory = self._directory(order.id)
        with _explained(directory):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            async with exclusive(directory / "lock"):
                known = _read(directory) or await anyio.to_thread.run_sync(self._orphan, directory)
                if known is None:
                    _write(directory / ".env", handover.dotenv(order))
                    known = await anyio.to_thread.run_sync(self._start, order, directory)
                _write(directory / "process", known)
        return ExternalRef(NAME, order.id, known)

    async def observe(self, ref: ExternalRef) -> Observation:
        """Whether its process runs."""
        child = _children.get(ref.external_id)
        code = child.poll() if child else None
        directory = self._directory(ref.order_id)
        if code is None:
            if await anyio.to_thread.run_sync(process.find, ref.external_id) is not None:
                return Observation(LaunchState.RUNNING)
            if not (directory / "process").exists():
                return Observation(LaunchState.GONE, "never started here, or cleaned up")
        await _bury(directory, ref.external_id)
        how = "its process has ended" if code is None else f"exit code {code}"
        return Observation(LaunchState.EXITED, f"{how}{_last_words(directory)}", code)

    async def stop(self, ref: ExternalRef, grace: float) -> None:
        """SIGTERM once, which drains; after `grace` seconds everything it started is killed."""
        found = await anyio.to_thread.run_sync(process.find, ref.external_id)
        if found is not None:
            if self._first_to_ask(ref.order_id):
                found.terminate()
            for _ in range(int(grace / _POLL)):
                if (await self.observe(ref)).state is not LaunchState.RUNNING:
                    break
                await anyio.sleep(_POLL)
        # Of one that has ended, the pid may be somebody else's by now: only the mark counts.
        leader = 0 if found is None else found.pid
        await process.stop(leader, str(self._directory(ref.order_id)), 0, variable=_MARK)
        await self.observe(ref)

    async def list_owned(self) -> list[ExternalRef]:
        """Every launch whose directory is still here, also one of which nobody wrote down the process."""
        return await anyio.to_thread.run_sync(self._owned)

    def _owned(self) -> list[ExternalRef]:
        if not self._launches.is_dir():
            return []
        known = (
            (each.name, _read(each) or self._orphan(each))
            for each in sorted(self._launches.iterdir())
        )
        return [ExternalRef(NAME, name, found) for name, found in known if found]

    async def forget(self, ref: ExternalRef) -> None:
        """Remove the directory of a launch that has ended, with its log."""
        state = (await self.observe(ref)).state
        if state is LaunchState.EXITED:
            _children.pop(ref.external_id, None)
            shutil.rmtree(self._directory(ref.order_id), ignore_errors=True)

    async def extend(self, ref: ExternalRef, seconds: float) -> None:
        """Nothing to do: a process does not end by itself."""

    async def check(self) -> None:
        """The directory for launches must be writable."""
        try:
            self._launches.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise ConfigError(f"{self._launches}: {problem.strerror}") from None
        if not os.access(self._launches, os.W_OK):
            raise ConfigError(f"{self._launches} is not writable")

    def _directory(self, order_id: str) -> Path:
        if not _SAFE.fullmatch(order_id):
            raise ConfigError(f"{order_id!r} cannot name a launch")
        return self._launches / order_id

    def _first_to_ask(self, order_id: str) -> bool:
        """Whether nobody has asked this agent to end yet: a second SIGTERM would end its drain."""
        try:
            (self._directory(order_id) / "asked").touch(exist_ok=False)
        except FileExistsError:
            return False
        except OSError:
            pass  # It must end, even where nothing can be written down.
        return True

    def _start(self, order: LaunchOrder, directory: Path) -> str:
        """Start the agent of an order, whose secrets are there; the answer names its process."""
        try:
            child = _spawn(agent_of(order), directory, environment_of(directory))
        except (FileNotFoundError, PermissionError) as problem:
            raise ConfigError(f"{sys.executable} cannot be started: {problem.strerror}") from None
        except OSError as problem:
            raise Unavailable(f"no agent can be started now: {problem.strerror}") from None
        name = process.identity(child.pid)
        _children[name] = child
        return name

    def _orphan(self, directory: Path) -> str | None:
        """The agent of a launch whose runner died before it could write down which process it is."""
        import psutil

        for each in psutil.process_iter():
            try:
                ours = each.environ().get(_MARK) == str(directory)
                if ours and os.getsid(each.pid) == each.pid:
                    return process.identity(each.pid)
            except (psutil.Error, OSError):
                continue
        return None


def agent_of(order: LaunchOrder) -> list[str]:
    """The command line of the agent that an order asks for."""
    return [sys.executable, "-m", "buildd.cli.agent", *handover.arguments(order)]


def environment_of(directory: Path) -> dict[str, str]:
    """What the agent of the launch in a directory finds in its environment."""
    return {**inherited(_PASSED), _MARK: str(directory)}


def _spawn(
    argv: list[str], directory: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with (directory / "log").open("ab") as log:
        return subprocess.Popen(
            argv,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _read(directory: Path) -> str | None:
    try:
        return (directory / "process").read_text()
    except (FileNotFoundError, NotADirectoryError):
        return None


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    """What a file system refuses, told as what a person must mend, or as what may pass."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, FileExistsError, PermissionError) as problem:
        raise ConfigError(f"{directory.parent}: {problem.strerror}") from None
    except OSError as problem:
        raise Unavailable(f"{directory.parent}: {problem.strerror}") from None


async def _bury(directory: Path, agent: str) -> None:
    """End what an agent that was killed has left at work: the programs of its attempts. Done once."""
    done = directory / "buried"
    if not done.exists():
        await process.stop(0, agent, 0, variable=process.OWNER)
        with suppress(OSError):
            done.touch()


def _last_words(directory: Path) -> str:
    """Why the agent itself says that it ended; nothing if it does not."""
    try:
        with (directory / "log").open("rb") as log:
            log.seek(max(log.seek(0, os.SEEK_END) - _LONGEST, 0))
            last = log.read().decode(errors="replace").strip().rpartition("\n")[2]
    except OSError:
        return ""
    return f": {last.removeprefix(_ERROR)}" if last.startswith(_ERROR) else ""


def _write(path: Path, text: str) -> None:
    """Write a private file in one step."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
