"""Behind a real PgBouncer that gives each transaction another connection, as Neon's pooled address does."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from buildd.broker import Broker
from buildd.errors import Conflict
from buildd.events import EventType
from buildd.states import TaskStatus
from buildd.store import audit, backup, database_of, restore
from tests.blank import Blanks
from tests.deploy.processes import Agents, Server, crew
from tests.patience import PATIENCE, until

pytestmark = pytest.mark.real

# So few connections that every one of them serves everybody.
SETTINGS = """\
[databases]
* = host={directory} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
server_idle_timeout = 600
"""


@contextmanager
def pgbouncer(behind: str) -> Iterator[str]:
    """The URL of a database, by way of a PgBouncer with its usual settings."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "apt-get install pgbouncer"
    url = make_url(behind)
    directory = Path(tempfile.mkdtemp(prefix="buildd-pooler-"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # As root it must become somebody else, who must be able to read its settings again.
    directory.chmod(0o755)
    config = directory / "pgbouncer.ini"
    config.write_text(SETTINGS.format(directory=url.query["host"], port=port))
    process = subprocess.Popen(
        [program, "--quiet", str(config)], user="nobody" if os.geteuid() == 0 else None
    )
    pooled = f"postgresql://postgres@127.0.0.1:{port}/{url.database}"
    try:
        until(lambda: _answers(pooled))
        yield pooled
    finally:
        process.terminate()
        process.wait(PATIENCE)
        shutil.rmtree(directory)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="module")
def urls(blanks: Blanks) -> Iterator[tuple[str, str]]:
    """One database, directly and through the pooler."""
    with blanks.lend() as direct, pgbouncer(direct) as pooled:
        yield direct, pooled


def test_two_servers_work_through_it(urls: tuple[str, str], tmp_path: Path) -> None:
    direct, pooled = urls
    with ExitStack() as held:
        a, b = (held.enter_context(Server(pooled, tmp_path)) for _ in range(2))
        at_a, at_b = (held.enter_context(each.owner()) for each in (a, b))
        team = crew(at_a)
        with closing(at_a.events(after=0, types=[EventType.WORKER_COMPLETED])) as events:
            tasks = [at_b.tasks.create(workspace_id=team.workspace, title="x") for _ in range(25)]
            with Agents([a.url, b.url], team.key) as agents:
                told = {next(events).task_id for _ in tasks}
            assert told == {*agents.completed} == {task.id for task in tasks}
        assert {at_b.tasks.get(id=each).status for each in told} == {TaskStatus.COMPLETED}
        taken = backup(pooled, tmp_path / "a.backup", tmp_path / "blobs")
        assert taken.files == len(tasks)
        with pytest.raises(Conflict, match="sessions"):
            restore(direct, tmp_path / "a.backup", tmp_path / "blobs", force=True)
        assert b.stop() == a.stop() == 0
        assert [line for line in a.said + b.said if '"level": "info"' not in line] == []
    assert audit(direct, tmp_path / "blobs") == []


def test_what_is_set_for_one_connection_reaches_no_other(urls: tuple[str, str]) -> None:
    _, pooled = urls
    database = database_of(pooled)
    with ExitStack() as held:
        for _ in range(6):
            reader = held.enter_context(closing(database.connect(reading=True)))
            for _ in range(10):  # more than psycopg would take before it prepares a statement
                reader.cursor().execute("SELECT 1")
        Broker.open(pooled).close()
        writer = held.enter_context(closing(database.connect()))
        for _ in range(10):
            writer.cursor().execute("UPDATE setting SET value = value")
            now = database.now(writer)
            assert now.utcoffset() == timedelta(0)
