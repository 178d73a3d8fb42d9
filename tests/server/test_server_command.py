"""`buildd server` as a process: first line, end, and one clear line when it cannot start."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from buildd.cli._exits import ExitCode
from tests.patience import PATIENCE

ADDRESS = re.compile(r"http://\S+:\d+")


class Launch:
    """Starts servers in a directory of their own, with nothing of buildd's in the environment."""

    def __init__(self, directory: Path, held: ExitStack) -> None:
        self.directory = directory
        self._held = held

    def popen(
        self, *arguments: str, before: Callable[[], None] | None = None, **environ: str
    ) -> subprocess.Popen[str]:
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("BUILDD_", "DATABASE_"))
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "buildd_server", *arguments],
            cwd=self.directory,
            env={**inherited, "PYTHONPATH": os.pathsep.join(sys.path), **environ},
            preexec_fn=before,  # noqa: PLW1509 - sets one limit, and this process has few threads
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._held.enter_context(process)
        self._held.callback(process.kill)
        return process

    def serving(self, *arguments: str, **environ: str) -> tuple[subprocess.Popen[str], str]:
        """A server that has said where it listens, and its address."""
        process = self.popen("--port", "0", *arguments, before=None, **environ)
        assert process.stdout is not None
        match = ADDRESS.search(process.stdout.readline())
        assert match, process.communicate()[1]
        return process, match[0]

    def refusal(
        self,
        *arguments: str,
        before: Callable[[], None] | None = None,
        code: int = ExitCode.USAGE,
        **environ: str,
    ) -> str:
        """What a server says that does not start."""
        process = self.popen(*arguments, before=before, **environ)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, err
        assert "Traceback" not in err
        assert out == ""
        return err


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    with ExitStack() as held:
        yield Launch(tmp_path, held)


def one_line(err: str) -> str:
    (line,) = err.strip().splitlines()
    assert line.startswith("python -m buildd_server: error: ")
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well_even_with_a_stream_open(launch: Launch, number: int) -> None:
    process, url = launch.serving()
    with (
        httpx2.Client(base_url=url, trust_env=False) as client,
        client.sse("/api/events") as events,
    ):
        process.send_signal(number)
        assert list(events) == []
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "local mode" in err
    assert "GET /api/events 200" in err
    assert len(err.strip().splitlines()) == 2


def test_it_says_nothing_of_local_mode_with_an_admin_key(launch: Launch) -> None:
    process, url = launch.serving(BUILDD_ADMIN_KEY="0123456789abcdef")
    key = {"authorization": "Bearer 0123456789abcdef"}
    assert httpx2.get(f"{url}/api/accounts", headers=key, trust_env=False).status_code == 200
    assert httpx2.get(f"{url}/api/accounts", trust_env=False).status_code == 401
    process.terminate()
    assert "local mode" not in process.communicate(timeout=PATIENCE)[1]


def test_settings_come_from_the_environment_and_the_env_file(launch: Launch) -> None:
    (launch.directory / ".env").write_text("DATABASE_URL=sqlite:///fallback.db\nBUILDD_SECRET=\n")
    process, _ = launch.serving()
    assert (launch.directory / "fallback.db").exists()
    process.terminate()
    process, _ = launch.serving(BUILDD_DATABASE="sqlite:///named.db")
    assert (launch.directory / "named.db").exists()
    process.terminate()


def test_a_port_in_use(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port} is in use" in one_line(launch.refusal("--port", port))


def test_a_second_server_on_the_same_file(launch: Launch) -> None:
    launch.serving("--database", "sqlite:///shared.db")
    err = launch.refusal("--port", "0", "--database", f"sqlite:///{launch.directory}/shared.db")
    assert "another buildd server is using" in one_line(err)


def test_a_killed_server_leaves_the_file_to_the_next(launch: Launch) -> None:
    process, _ = launch.serving()
    process.kill()
    process.wait()
    launch.serving()


def test_an_open_address_needs_an_admin_key(launch: Launch) -> None:
    assert "BUILDD_ADMIN_KEY" in one_line(launch.refusal("--host", "::", "--port", "0"))


def test_an_admin_key_that_is_too_short(launch: Launch) -> None:
    err = one_line(launch.refusal("--port", "0", BUILDD_ADMIN_KEY="tiny"))
    assert "BUILDD_ADMIN_KEY" in err
    assert "tiny" not in err


@pytest.mark.parametrize("ttl", ["soon", "0", "nan", "-60"])
def test_a_lease_that_cannot_be(launch: Launch, ttl: str) -> None:
    assert "lease" in one_line(launch.refusal("--port", "0", BUILDD_LEASE_TTL=ttl)).lower()


def test_a_file_that_is_no_database(launch: Launch) -> None:
    (launch.directory / "notes.db").write_text("buy milk\n" * 1000)
    err = launch.refusal("--port", "0", "--database", "sqlite:///notes.db")
    assert "notes.db" in one_line(err)
    assert (launch.directory / "notes.db").read_text().startswith("buy milk")


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///no/such/place/buildd.db",
        "nonsense",
        "mysql://localhost/x",
        "sqlite:////",
        "postgresql://u:hunter2@[x/y",
        "postgresql://u:hunter2@h:port/x",
        "postgresql://u:hunter2@h/x?what=1",
    ],
)
def test_a_database_that_cannot_be(launch: Launch, url: str) -> None:
    err = one_line(launch.refusal("--port", "0", "--database", url))
    assert "hunter2" not in err
    assert "fault" not in err


def test_a_postgres_that_does_not_answer(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"postgresql://buildd:hunter2@127.0.0.1:{port}/buildd"
    err = launch.refusal("--port", "0", "--database", url, code=ExitCode.UNAVAILABLE)
    assert "hunter2" not in one_line(err)


def test_a_disk_without_room(launch: Launch) -> None:
    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    one_line(launch.refusal("--port", "0", before=no_room, code=ExitCode.UNAVAILABLE))


def test_an_address_that_is_none(launch: Launch) -> None:
    assert "--host" in one_line(launch.refusal("--host", "no.such.host.invalid"))


def test_a_flag_that_is_wrong(launch: Launch) -> None:
    assert "--port" in launch.refusal("--port", "many")
    assert "70000" in launch.refusal(BUILDD_PORT="70000")
