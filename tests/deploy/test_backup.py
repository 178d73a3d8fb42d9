"""A backup: taken beside agents at work, restored into either kind of database, and worked on."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from buildd.blobs import DiskBlobs
from buildd.broker import ADMIN, Broker, BrokerSettings
from buildd.broker.relay import HookSender, outbox
from buildd.broker.sweeping import Sweeper
from buildd.client import Client
from buildd.client._embedded import EmbeddedTransport, Embedding
from buildd.destinations import Reach
from buildd.errors import BuilddError, ConfigError, Conflict, NotAuthenticated
from buildd.events import EventType
from buildd.outbound import Outbound
from buildd.states import TaskStatus
from buildd.store import Statement, Transaction, audit, backup, database_of, restore, tables
from buildd.store.archive import ArchiveReader, kind_of
from buildd.store.restore import NUMBERED
from buildd.store.sql.deliveries import CURSORS
from buildd.store.sql.events import EVENT_SEQ
from buildd_server.listening import sole_server
from tests.blank import Blanks
from tests.faults import snapshot


@dataclass
class Place:
    """A database and where its files are."""

    url: str
    blobs: Path
    broker: Broker = field(init=False)

    def open(self, stack: ExitStack) -> Client:
        settings = BrokerSettings(blobs=self.blobs)
        self.broker = stack.enter_context(closing(Broker.open(self.url, settings)))
        return stack.enter_context(Client(EmbeddedTransport(Embedding(self.broker))))

    def audit(self) -> list[Any]:
        return audit(self.url, self.blobs)


@contextmanager
def a_place(kind: str, at: Path, blanks: Blanks) -> Iterator[Place]:
    """Nothing yet, or nothing but tables."""
    if kind == "sqlite":
        yield Place(f"sqlite:///{at}/buildd.db", at / "blobs")
        return
    with blanks.lend() as url:
        yield Place(url, at / "blobs")


@pytest.fixture(params=["sqlite", "postgres"])
def other(request: pytest.FixtureRequest, blanks: Blanks, tmp_path: Path) -> Iterator[Place]:
    """Where to restore to."""
    with a_place(request.param, tmp_path, blanks) as place:
        yield place


@pytest.fixture
def sqlite(tmp_path: Path) -> Place:
    """The same, where the kind makes no difference."""
    return Place(f"sqlite:///{tmp_path}/buildd.db", tmp_path / "blobs")


@dataclass
class Work:
    """Something of everything: a file, a task that is worked on, one that is not."""

    account: str
    key: str
    worker: str
    lease: str
    task: str
    waiting: str


CONTENT = "the beans \N{SEEDLING} are up\n".encode() * 1000


def work_in(bd: Client) -> Work:
    bd.hooks.create(url="https://hooks.example.com/buildd")
    workspace = bd.workspaces.create(name="shop")
    account = bd.accounts.create(type="user", name="Max", max_concurrent_workers=3)
    bd.accounts.grant(account_id=account.id, workspace_id=workspace.id)
    task = bd.tasks.create(workspace_id=workspace.id, title="Plant", context={"deep": [1, None]})
    [claimed] = bd.with_key(account.api_key).workers.claim(task_id=task.id).workers
    lease = bd.with_key(claimed.lease.token)
    lease.workers.start(id=claimed.id)
    lease.workers.heartbeat(id=claimed.id, cost_usd=Decimal("0.123456"))
    lease.artifacts.upload(CONTENT, worker_id=claimed.id, filename="bean.txt", type="file")
    waiting = bd.tasks.create(workspace_id=workspace.id, title="Water")
    return Work(account.id, account.api_key, claimed.id, claimed.lease.token, task.id, waiting.id)


def pass_over_all(broker: Broker) -> None:
    """Have the relay know that whatever was to be told of all this is told."""
    sender = HookSender(Outbound(Reach()).post)
    page = broker._store.read(partial(outbox.look, sender=sender)).result()
    assert page is not None
    broker._store.write(lambda tx: outbox.write(broker._context(tx, ADMIN), page)).result()


@dataclass
class Backup:
    """A backup of some work, and where it was taken."""

    place: Place
    work: Work
    file: Path


def backup_of(place: Place, file: Path) -> Backup:
    with ExitStack() as stack:
        work = work_in(place.open(stack))
        pass_over_all(place.broker)
    made = backup(place.url, file, place.blobs)
    assert (made.files, made.lost, made.size) == (1, (), file.stat().st_size)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return Backup(place, work, file)


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Backup:
    """One for all who leave it as it is."""
    at = tmp_path_factory.mktemp("taken")
    return backup_of(Place(f"sqlite:///{at}/buildd.db", at / "blobs"), at / "buildd.backup")


def comparable(place: Place, *, shift: int = 0) -> dict[str, Any]:
    """Every row as the API would have it; where files are kept is each installation's own."""
    found = {}
    with closing(database_of(place.url).connect(reading=True)) as connection:
        tx = Transaction(connection, database_of(place.url))
        for table in tables.metadata.sorted_tables:
            rows = [row._asdict() for row in tx.all(Statement(sa.select(table)))]
            for row in rows:
                row.pop("place", None)
                if table.name in NUMBERED and row[NUMBERED[table.name]] is not None:
                    row[NUMBERED[table.name]] -= shift
                if row.get("name") in {EVENT_SEQ, *CURSORS.values()}:
                    row["value"] = int(row["value"]) - shift
            found[table.name] = sorted(rows, key=partial(_key, table))
    return found


def _key(table: sa.Table, row: dict[str, Any]) -> str:
    return repr([row[column.name] for column in table.primary_key])


def seqs(place: Place) -> list[int]:
    return [row["seq"] for row in snapshot.rows(place.url, "event")["event"]]


@pytest.mark.parametrize(("kind", "another"), [("sqlite", "postgres"), ("postgres", "sqlite")])
def test_a_backup_of_either_database_fits_both(
    kind: str, another: str, tmp_path: Path, blanks: Blanks
) -> None:
    with ExitStack() as stack:
        place, other = (
            stack.enter_context(a_place(each, tmp_path / each, blanks)) for each in (kind, another)
        )
        (tmp_path / "sqlite").mkdir()
        made = backup_of(place, tmp_path / "buildd.backup")
        before = comparable(place)
        done = restore(other.url, made.file, other.blobs)
        assert (done.rows, done.files, done.differences) == (sum(map(len, before.values())), 1, [])
        assert comparable(other, shift=3600 * 10_000) == before
        goes_on(other, made.work)
        assert other.audit() == []


def goes_on(place: Place, work: Work) -> None:
    """The attempt that was under way does, as after any restart, and so do those to come."""
    with ExitStack() as stack:
        bd = place.open(stack)
        lease = bd.with_key(work.lease)
        [artifact] = lease.artifacts.list(worker_id=work.worker)
        assert b"".join(lease.artifacts.content(id=artifact.id)) == CONTENT
        lease.workers.complete(id=work.worker)
        assert bd.tasks.get(id=work.task).status is TaskStatus.COMPLETED
        [claimed] = bd.with_key(work.key).workers.claim().workers
        assert claimed.task.id == work.waiting


def test_what_happened_since_the_backup_is_known_to_nobody(sqlite: Place, tmp_path: Path) -> None:
    made = backup_of(sqlite, tmp_path / "buildd.backup")
    with ExitStack() as stack:
        bd = sqlite.open(stack)
        [later] = bd.with_key(made.work.key).workers.claim().workers
    seen = seqs(sqlite)
    restore(sqlite.url, made.file, sqlite.blobs, force=True)
    with ExitStack() as stack:
        bd = sqlite.open(stack)
        with pytest.raises(NotAuthenticated):
            bd.with_key(later.lease.token).workers.heartbeat(id=later.id)
        for position in (1, max(seen)):
            with closing(bd.events(after=position)) as events:
                assert next(iter(events)).type is EventType.RESET
    assert min(seqs(sqlite)) > max(seen)


def test_a_database_with_something_in_it_is_replaced_only_if_asked(
    taken: Backup, other: Place
) -> None:
    with ExitStack() as stack:
        mine = other.open(stack).workspaces.create(name="mine")
    before = comparable(other)
    with pytest.raises(Conflict, match="--force"):
        restore(other.url, taken.file, other.blobs)
    assert comparable(other) == before
    assert restore(other.url, taken.file, other.blobs, force=True).differences == []
    with ExitStack() as stack:
        assert mine.id not in [each.id for each in other.open(stack).workspaces.list()]


def test_a_database_in_use_is_not_replaced(taken: Backup, other: Place) -> None:
    with ExitStack() as stack:
        if other.url.startswith("sqlite"):
            stack.enter_context(sole_server(other.url))
        else:
            other.open(stack)
        with pytest.raises(BuilddError, match="use"):
            restore(other.url, taken.file, other.blobs, force=True)


def test_all_is_restored_or_nothing(taken: Backup, other: Place, tmp_path: Path) -> None:
    """What is wrong with this backup, only the database tells, at a row in the middle."""
    wrong = tmp_path / "wrong.backup"
    twice(taken.file, wrong, f"tables/{tables.event.name}.jsonl")
    with pytest.raises(BuilddError):
        restore(other.url, wrong, other.blobs)
    assert not [each for each in other.blobs.rglob("*") if each.is_file()]
    with ExitStack() as stack:
        assert other.open(stack).workspaces.list() == []


def twice(file: Path, copy: Path, name: str) -> None:
    """Write a backup again, with the rows of one table twice."""
    with zipfile.ZipFile(file) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    members[name] *= 2
    with zipfile.ZipFile(copy, "w") as archive:
        for each, content in members.items():
            archive.writestr(each, content)


def test_bytes_that_were_lost_before_are_told(sqlite: Place, tmp_path: Path) -> None:
    with ExitStack() as stack:
        work_in(sqlite.open(stack))
    [kept] = sqlite.blobs.glob("??/*")
    kept.write_bytes(b"something else")
    made = backup(sqlite.url, tmp_path / "a.backup", sqlite.blobs)
    assert len(made.lost) == 1
    kept.unlink()
    assert backup(sqlite.url, tmp_path / "b.backup", sqlite.blobs).lost == made.lost
    done = restore(f"sqlite:///{tmp_path}/new.db", tmp_path / "b.backup")
    assert [each.id for each in done.differences] == [*made.lost]


def test_a_file_that_goes_meanwhile_is_not_in_the_backup(
    sqlite: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = DiskBlobs.open

    def removed_first(blobs: DiskBlobs, where: str) -> Any:
        with ExitStack() as stack:
            bd = sqlite.open(stack)
            for each in bd.tasks.list():
                bd.tasks.cancel(id=each.id)
            for workspace in bd.workspaces.list():
                bd.workspaces.delete(id=workspace.id)
            Sweeper(sqlite.broker._store, blobs).sweep(blobs)
        return found(blobs, where)

    with ExitStack() as stack:
        work_in(sqlite.open(stack))
    with monkeypatch.context() as patch:
        patch.setattr(DiskBlobs, "open", removed_first)
        assert backup(sqlite.url, tmp_path / "a.backup", sqlite.blobs).files == 0
    assert restore(f"sqlite:///{tmp_path}/new.db", tmp_path / "a.backup").differences == []


def test_files_can_stay_out(sqlite: Place, tmp_path: Path) -> None:
    made = backup_of(sqlite, tmp_path / "whole.backup")
    small = tmp_path / "small.backup"
    assert backup(sqlite.url, small, files=False).files == 0
    assert small.stat().st_size < made.file.stat().st_size
    done = restore(sqlite.url, small, sqlite.blobs, force=True)
    assert (done.files, done.differences) == (0, [])


def in_the_middle(data: bytes) -> int:
    """Where the packed rows of a table are."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = archive.getinfo("tables/setting.jsonl")
    return data.index(info.filename.encode(), info.header_offset) + len(info.filename) + 40


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda data: b"no zip", "no backup"),
        (lambda data: data[: len(data) // 2], "no backup"),
        (lambda data: changed(data, in_the_middle(data)), "damaged"),
    ],
)
def test_a_damaged_backup_is_refused(
    sqlite_url: str, tmp_path: Path, harm: Callable[[bytes], bytes], words: str
) -> None:
    file = tmp_path / "a.backup"
    backup(sqlite_url, file)
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(ConfigError, match=words):
        restore(f"sqlite:///{tmp_path}/new.db", file)
    assert not (tmp_path / "new.db").exists()


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_backup_overwrites_nothing_and_leaves_nothing_half(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "backups" / "a.backup"
    file.parent.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(ArchiveReader, "verify", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            backup(sqlite_url, file)
    assert list(file.parent.iterdir()) == []
    backup(sqlite_url, file)
    with pytest.raises(ConfigError, match="exists"):
        backup(sqlite_url, file)
    assert list(file.parent.iterdir()) == [file]


def test_every_column_of_every_table_has_a_kind() -> None:
    for table in tables.metadata.sorted_tables:
        assert list(table.primary_key), table.name
        for column in table.columns:
            kind_of(column)


def test_every_number_of_the_feed_is_known_to_be_one() -> None:
    found = {
        (table.name, column.name)
        for table in tables.metadata.sorted_tables
        for column in table.columns
        if "seq" in column.name and table is not tables.audit_entry
    }
    assert found == {*NUMBERED.items()}
