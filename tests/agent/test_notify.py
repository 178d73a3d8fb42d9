"""What an agent tells systemd, on a real datagram socket."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from buildd.agent import notify
from buildd.errors import Unreachable
from tests.agent.office import Office
from tests.agent.test_agent_process import Agents, agents

__all__ = ["agents"]


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(30)
        yield ear


def test_an_agent_tells_that_it_is_ready_lives_and_ends(
    agents: Agents, office: Office, heard: socket.socket
) -> None:
    address = heard.getsockname()
    agent = agents.start("true", NOTIFY_SOCKET=address, WATCHDOG_USEC="400000")
    assert heard.recv(100) == b"READY=1"
    assert [heard.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    agent.send_signal(signal.SIGTERM)
    while (said := heard.recv(100)) == b"WATCHDOG=1":
        pass
    assert said == b"STOPPING=1"
    assert agents.end(agent)[0] == 0


@pytest.mark.anyio
async def test_the_watchdog_is_fed_only_by_the_server_s_answers(
    heard: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", heard.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    heard.setblocking(False)
    asked: list[bool] = []
    enough = anyio.Event()

    async def ask() -> None:
        asked.append(_empty(heard))
        if len(asked) == 6:
            enough.set()
        if len(asked) < 4:
            raise Unreachable
        if len(asked) == 4:
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(notify.feed, ask)
        await enough.wait()
        group.cancel_scope.cancel()
    assert asked == [True, True, True, True, True, False]


def _empty(ear: socket.socket) -> bool:
    try:
        return ear.recv(100) != b"WATCHDOG=1"
    except BlockingIOError:
        return True


@pytest.mark.parametrize("name", ["", "/nowhere/there", "@buildd-nobody-listens"])
def test_nobody_who_listens_is_no_trouble(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    notify.tell("READY=1")


def test_names_without_a_file_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(f"\0buildd-test-{os.getpid()}")
        ear.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@buildd-test-{os.getpid()}")
        notify.tell("READY=1")
        assert ear.recv(100) == b"READY=1"


@pytest.mark.parametrize(("whose", "seconds"), [(None, 30.0), ("1", None)])
def test_a_watchdog_is_for_one_process(
    monkeypatch: pytest.MonkeyPatch, whose: str | None, seconds: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if whose:
        monkeypatch.setenv("WATCHDOG_PID", whose)
    assert notify.patience() == seconds


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
