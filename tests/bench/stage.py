"""Where measurements take place: databases, servers and programs, each a real process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg

from buildd.client import Client, connect
from tests.postgres import Postgres

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".make" / "bench"
"""Where `make bench` installs whom we compare ourselves with."""
ADMIN_KEY = "the-key-of-the-benchmarks"
DURABLE = {"listen_addresses": "", "max_connections": "200"}
"""All else is as Postgres comes: what is committed is on the disk, and it tidies up by itself."""
TOLD = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "autovacuum",
    "jit",
    "shared_buffers",
    "max_connections",
)
"""Settings of Postgres that a reader of the figures asks for."""
MEGABYTE = 1 << 20
GROWTH = "MB more in memory"
_PATIENCE = 900.0
"""Seconds, more than any piece of work takes: one of row 4 goes on for ten minutes."""
_numbers = count(1)


@dataclass
class Server:
    """A server's process."""

    process: subprocess.Popen[str]
    port: int

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def owner(self) -> Client:
        """A client of its administrator."""
        return connect(self.address, api_key=ADMIN_KEY)

    def cpu(self) -> float:
        """Seconds of a processor that it has used so far."""
        return seconds_of(psutil.Process(self.process.pid))

    def megabytes(self) -> float:
        """What it has in memory."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / MEGABYTE

    @contextmanager
    def growing(self, since: float | None = None) -> Iterator[dict[str, float]]:
        """What it had in memory at most while the block ran, more than before, or than at some time."""
        before, found = self.megabytes() if since is None else since, dict[str, float]()
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")  # forgets the peak so far
        yield found
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
        found[GROWTH] = peak - before


@dataclass
class Stage:
    """What the rows of one run share."""

    directory: Path
    short: bool = False
    """Only shows that everything works; the figures mean nothing."""
    _held: ExitStack = field(default_factory=ExitStack)

    def sized(self, full: int, short: int) -> int:
        """How many, in the form that is run."""
        return short if self.short else full

    @cached_property
    def postgres(self) -> Postgres:
        """A Postgres that keeps what it has committed, unless nobody is to read the figures."""
        settings = {**DURABLE, "fsync": "off"} if self.short else DURABLE
        return self._held.enter_context(closing(Postgres(settings)))

    def postgres_settings(self) -> str:
        """How it is set up, as it says itself."""
        with psycopg.connect(self.postgres.url("postgres")) as session:
            asked = "SELECT current_setting(%s)"
            rows = [session.execute(asked, (name,)).fetchone() for name in TOLD]
        return ", ".join(f"{name} {row[0]}" for name, row in zip(TOLD, rows, strict=True) if row)

    @cached_property
    def _postmaster(self) -> psutil.Process:
        with psycopg.connect(self.postgres.url("postgres")) as connection:
            found = psutil.Process(connection.info.backend_pid).parent()
        assert found is not None
        return found

    def postgres_cpu(self) -> float:
        """Seconds of a processor that it has used so far, with all its processes."""
        times = self._postmaster.cpu_times()
        over = times.children_user + times.children_system
        spent = float(over) + seconds_of(self._postmaster)
        for each in self._postmaster.children():
            with suppress(psutil.NoSuchProcess):  # those of autovacuum come and go
                spent += seconds_of(each)
        return spent

    def sqlite_url(self) -> str:
        """A SQLite file that is not there yet."""
        return f"sqlite:///{self.directory}/bench-{next(_numbers)}.db"

    def postgres_url(self) -> str:
        """A Postgres database with nothing in it."""
        name = f"bench_{next(_numbers)}"
        self.postgres.sql(f"CREATE DATABASE {name}")
        return self.postgres.url(name)

    @contextmanager
    def server(
        self, database: str, module: str = "buildd_server", **settings: str
    ) -> Iterator[Server]:
        """A server's process, whose limits on requests are there and never reached."""
        known = {"BUILDD_ADMIN_KEY": ADMIN_KEY, "BUILDD_RATE_LIMIT": "1000000"}
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--port", "0", "--database", database],
            cwd=self.directory,
            env=environment(**known, **settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield Server(process, int(line.partition("127.0.0.1:")[2].split()[0]))
        finally:
            process.terminate()
            process.communicate(timeout=_PATIENCE)

    def close(self) -> None:
        """End what the rows have shared."""
        self._held.close()


def load(name: str, **what: Any) -> dict[str, Any]:
    """Have a program of `tests.bench.loads` do something, in its own process."""
    return _told([sys.executable, "-m", f"tests.bench.loads.{name}"], what)


def check_peers() -> None:
    """Raises `SystemExit` where they are not installed."""
    if not PEERS.exists():
        raise SystemExit("whom buildd is compared with is not installed: make .make/bench")
    if shutil.which("node") is None:
        raise SystemExit("one of those whom buildd is compared with runs on Node.js: install it")


def peer(name: str, **what: Any) -> dict[str, Any]:
    """Have somebody else's queue do something, in its own environment."""
    program = next((ROOT / "tests" / "bench" / "peers").glob(f"{name}.*"))
    interpreter = "node" if program.suffix == ".mjs" else PEERS / "bin" / "python"
    return _told([str(interpreter), str(program)], {**what, "modules": f"{PEERS}/node_modules"})


def _told(command: Sequence[str], what: Any) -> dict[str, Any]:
    ran = subprocess.run(
        command,
        input=json.dumps(what),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )
    if ran.returncode:
        raise SystemExit(f"{' '.join(command[-1:])} could not be measured: see above")
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def environment(**more: str) -> dict[str, str]:
    """The environment of every process, in which nothing is set about buildd but this."""
    ours = ("BUILDD_", "DATABASE_", "OTEL_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**inherited, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]), **more}


def seconds_of(process: psutil.Process) -> float:
    """Seconds of a processor that a process has used so far."""
    times = process.cpu_times()
    return float(times.user + times.system)
