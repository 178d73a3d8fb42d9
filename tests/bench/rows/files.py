"""Row 9: a large file up and down beside a bare Starlette, and very many log lines through the feed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from buildd.client import Client
from buildd.operations.records import MAX_MESSAGES
from tests.bench.comparing import Comparison, Contestants, Figures, Row, at_least, at_most
from tests.bench.crew import Crew, hired
from tests.bench.rows.streams import bare_port
from tests.bench.stage import GROWTH, MEGABYTE, Server, Stage, load

SPEED, LINES = "MB/s", "lines/s"
UP, DOWN, LOG = "file up", "file down", "log lines"
BARE_UP, BARE_DOWN, BARE_LOG = "bare Starlette, up", "bare Starlette, down", "bare loop, lines"
WORKERS, LINES_OF_A_TURN = 16, 20_000
MOST_GROWTH = 20
_LIMITS = {
    "BUILDD_MAX_FILE_MB": "1000",
    "BUILDD_MAX_WORKER_MB": "100000",
    "BUILDD_LEASE_TTL": "3600",  # Nobody renews a lease meanwhile.
}


@contextmanager
def opened(stage: Stage) -> Iterator[Contestants]:
    """A server on SQLite, which keeps files beside it, and a bare one."""
    with (
        stage.server(stage.sqlite_url(), **_LIMITS) as server,
        stage.server("none", "tests.bench.bare") as bare,
        server.owner() as owner,
    ):
        crew = hired(owner, WORKERS, WORKERS)
        nobody = [("nobody", "none")] * WORKERS
        port, first = bare_port(bare), server.megabytes()
        yield {
            BARE_UP: lambda: _moved(stage, bare, "POST", "/file", "none")[0],
            BARE_DOWN: lambda: _moved(stage, bare, "GET", "/file", "none")[0],
            UP: lambda: _up_and_down(stage, server, owner, crew)[0],
            DOWN: lambda: _up_and_down(stage, server, owner, crew)[1],
            BARE_LOG: lambda: {LINES: _lines_a_second(stage, port, workers=nobody, key="none")},
            LOG: lambda: _log(stage, server, first, _at_work(owner, crew, WORKERS), crew.keys[0]),
        }


def _moved(stage: Stage, server: Server, method: str, path: str, key: str) -> tuple[Figures, str]:
    size = stage.sized(100, 5) * MEGABYTE
    with server.growing() as growth:
        found = load("files", port=server.port, method=method, path=path, key=key, size=size)
    return {SPEED: size / MEGABYTE / found["seconds"], **growth}, found["answer"]


def _up_and_down(
    stage: Stage, server: Server, owner: Client, crew: Crew
) -> tuple[Figures, Figures]:
    [(worker, token)] = _at_work(owner, crew, 1)
    up, answer = _moved(stage, server, "POST", f"/api/workers/{worker}/artifacts/content", token)
    path = f"/api/artifacts/{json.loads(answer)['id']}/content"
    return up, _moved(stage, server, "GET", path, token)[0]


def _log(
    stage: Stage, server: Server, first: float, workers: list[tuple[str, str]], key: str
) -> Figures:
    # Lines of earlier turns count too: whatever a line left behind would be seen in the end.
    with server.growing(since=first) as growth:
        rate = _lines_a_second(stage, server.port, workers=workers, key=key, batch=MAX_MESSAGES)
    return {LINES: rate, **growth}


def _lines_a_second(stage: Stage, port: int, **asked: Any) -> float:
    lines = stage.sized(LINES_OF_A_TURN, 200)
    found = load("log_lines", port=port, lines=lines, **asked)
    return float(lines / found["heard"])


def _at_work(owner: Client, crew: Crew, count: int) -> list[tuple[str, str]]:
    """Attempts that have just begun, each with its lease token."""
    agent = owner.with_key(crew.keys[0])
    for _ in range(count):
        agent.tasks.create(workspace_id=crew.workspace, title="Fix the flaky test")
    claimed = agent.workers.claim(max_tasks=count).workers
    for each in claimed:
        owner.with_key(each.lease.token).workers.start(id=each.id)
    return [(each.id, each.lease.token) for each in claimed]


ROW = Row(
    9,
    "100 MB up and down; 100,000 log lines",
    f"Files on SQLite's side, on the same disk as the bare server's; {LINES_OF_A_TURN:,} lines in each of"
    f" five turns, what is in memory compared with before the first; of {WORKERS} attempts, which say"
    f" {MAX_MESSAGES} lines with a request, as an agent says what waits, heard by one reader of the feed; the"
    " bare loop of row 6 answers a request for each line at once and writes its body to the reader",
    (
        Comparison(SPEED, UP, (BARE_UP,), at_least(0.5)),
        Comparison(SPEED, DOWN, (BARE_DOWN,), at_least(0.5)),
        Comparison(LINES, LOG, (BARE_LOG,), at_least(0.5)),
        *(Comparison(GROWTH, each, (), at_most(MOST_GROWTH)) for each in (UP, DOWN, LOG)),
    ),
    opened,
)
