"""Everything the OpenAPI document says is possible, and much that it says is not, sent by three tenants.

Schemathesis makes the requests and judges each answer: no 5xx, only documented statuses, shapes and
headers, nothing accepted that the schema forbids, nothing reachable with another key or none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import buildd
from buildd.store import audit
from buildd.testing.conformance.access import things_of
from buildd.testing.conformance.stage import Stage

ADMIN_KEY = "the-administrator-of-the-campaign"
_CONFIG = Path(__file__).with_name("schemathesis.toml")


@dataclass(frozen=True)
class Run:
    """How one caller's requests went."""

    caller: str
    cases: int
    failures: int
    told: str
    """What Schemathesis said."""


@dataclass(frozen=True)
class Served:
    """A server process on a database, with callers of four kinds."""

    url: str
    log: Path
    keys: Mapping[str, str]


@contextmanager
def served(database: str, directory: Path) -> Iterator[Served]:
    """Start a server, and settle three tenants on it. At the end it must have been at no fault."""
    log = directory / "server.log"
    settings = {"BUILDD_ADMIN_KEY": ADMIN_KEY, "BUILDD_RATE_LIMIT": "0", "BUILDD_LEASE_TTL": "3600"}
    argv = [sys.executable, "-m", "buildd_server", "--port", "0", "--database", database]
    environment = {**os.environ, **settings, "BUILDD_BLOBS": str(directory / "blobs")}
    with ExitStack() as stack:
        errors = stack.enter_context(log.open("wb"))
        server = subprocess.Popen(
            argv, env=environment, cwd=directory, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        stack.enter_context(server)
        stack.callback(server.terminate)
        assert server.stdout is not None
        url = server.stdout.readline().split()[3]
        yield Served(url, log, _tenants(url))
        assert server.poll() is None
    assert audit(database, directory / "blobs") == []
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert [line for line in lines if line["level"] in {"error", "critical"}] == []


def fuzz(server: Served, caller: str, directory: Path, *options: str) -> Run:
    """Send what the document allows and forbids, as one caller."""
    report = directory / f"{caller}.json"
    program = Path(sys.executable).with_name("schemathesis")
    argv = [program, "--config-file", _CONFIG, "run", f"{server.url}/api/openapi.json", *options]
    argv += ["--no-color", "--report=json", f"--report-json-path={report}"]
    done = subprocess.run(
        argv,
        env={**os.environ, "BUILDD_KEY": server.keys[caller]},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    told = f"{done.stdout}{done.stderr}"
    if not report.exists():
        raise RuntimeError(told)
    counted = json.loads(report.read_text())
    wrong = counted["test_cases"]["with_failures"] + len(counted["errors"])
    return Run(caller, counted["test_cases"]["generated"], wrong, told)


def faults(runs: Sequence[Run]) -> str:
    """What Schemathesis found wrong, in its own words; empty if nothing."""
    return "\n".join(run.told for run in runs if run.failures)


def _tenants(url: str) -> dict[str, str]:
    keys = {}
    with buildd.connect(url, api_key=ADMIN_KEY) as bd:
        for name in ("first", "second", "third"):
            stage = Stage(bd)
            things_of(stage)
            keys[name] = stage.account.api_key
    # The administrator comes last, and takes the others' rights away.
    return {**keys, "admin": ADMIN_KEY}
