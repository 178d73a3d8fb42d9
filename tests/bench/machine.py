"""What a measurement ran on: the machine, and the versions of everything that took part."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from tests.bench.earlier import DATE, FORM, MACHINE, REVISION
from tests.bench.stage import PEERS, ROOT, Stage

OURS = ("uvicorn", "uvloop", "httptools", "starlette", "pydantic", "psycopg", "sqlalchemy")
THEIRS = ("pgqueuer", "procrastinate", "asyncpg", "psycopg")
_TELL = "import json, sys; from importlib.metadata import version as v; "


def described(stage: Stage, form: str) -> dict[str, str]:
    """Each fact by its name."""
    import sqlite3

    return {
        DATE: f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        REVISION: _revision(),
        FORM: form,
        MACHINE: f"{os.cpu_count()} cores ({_processor()}), "
        f"{psutil.virtual_memory().total >> 30} GB, {platform.platform()}",
        "load before": " ".join(f"{each:.1f}" for each in os.getloadavg()),
        "buildd": ", ".join(
            [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
            + [f"{name} {version(name)}" for name in OURS]
        ),
        "peers": ", ".join(_peers()),
        "Postgres of all": stage.postgres_settings(),
    }


def _revision() -> str:
    """Of what is measured: the last one that changed it."""
    changed = _said("git", "status", "--porcelain", "--", "src")
    return _said("git", "log", "-1", "--format=%h", "--", "src") + ("-dirty" if changed else "")


def _peers() -> list[str]:
    program = f"{_TELL} print(json.dumps([f'{{n}} {{v(n)}}' for n in {THEIRS!r}]))"
    found: list[str] = json.loads(_said(str(PEERS / "bin" / "python"), "-c", program))
    package = PEERS / "node_modules" / "graphile-worker" / "package.json"
    graphile = json.loads(package.read_text())["version"]
    return [*found, f"graphile-worker {graphile}", f"Node {_said('node', '--version')}"]


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _said(*command: str) -> str:
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return ran.stdout.strip()
