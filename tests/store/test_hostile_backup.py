"""A backup that somebody made up: it reaches nothing outside of the database, whatever is in it (S9)."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from buildd.broker import Broker
from buildd.client import Client
from buildd.client._embedded import EmbeddedTransport, Embedding
from buildd.errors import BuilddError
from buildd.store import archive, backup, restore

LONG = "BUILDD_LONG" in os.environ
pytestmark = pytest.mark.timeout(1200 if LONG else 120)
DIGEST = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
"""Of `hello`, which is in the backup."""
NAMES = [
    "../../../../outside",
    "/outside",
    "C:\\outside",
    "..\\..\\outside",
    "files/../../outside",
    "incoming/x",
    "a" * 5000,
    "",
    "ab/" + "0" * 64,
    f"../{DIGEST[:2]}/{DIGEST}-0123456789abcdef",
]

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Members:
    """What is in a backup of one file."""
    at = tmp_path_factory.mktemp("whole")
    broker = Broker.open(f"sqlite:///{at}/buildd.db")
    with Client(EmbeddedTransport(Embedding(broker), owns=True)) as bd:
        workspace = bd.workspaces.create(name="shop")
        account = bd.accounts.create(type="user", name="Max")
        bd.accounts.grant(account_id=account.id, workspace_id=workspace.id)
        bd.tasks.create(workspace_id=workspace.id, title="Paint it")
        [claimed] = bd.with_key(account.api_key).workers.claim().workers
        lease = bd.with_key(claimed.lease.token)
        lease.artifacts.upload(b"hello", worker_id=claimed.id, filename="a", type="file")
    backup(f"sqlite:///{at}/buildd.db", at / "a.backup")
    with zipfile.ZipFile(at / "a.backup") as found:
        return {each: found.read(each) for each in found.namelist()}


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """Where to restore: a directory with something beside it that must stay as it is."""
    (tmp_path / "outside").write_text("mine")
    (tmp_path / "room").mkdir()
    return tmp_path / "room"


def packed(members: Members, way: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", way) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return out.getvalue()


def restored(room: Path, content: bytes) -> str:
    """How restoring this ends; nothing is there afterwards but a database, its files and the backup."""
    file = room / "made-up.backup"
    file.write_bytes(content)
    url = f"sqlite:///{room}/buildd.db"
    try:
        done = restore(url, file, force=True)
        said = f"done, {len(done.differences)} differences"
    except BuilddError as refused:
        said = refused.message
        assert said
        assert "\n" not in said
    assert {each.name for each in room.iterdir()} <= {
        "made-up.backup",
        "buildd.db",
        "buildd.db-shm",
        "buildd.db-wal",
        "buildd.db.blobs",
        "buildd.db.server.lock",
    }
    for each in (room / "buildd.db.blobs").rglob("*"):
        assert each.is_dir() or each.parent.name == DIGEST[:2], each
    assert [each.name for each in room.parent.iterdir() if each != room] == ["outside"]
    assert (room.parent / "outside").read_text() == "mine"
    return said


def changed(members: Members, name: str, change: Callable[[Any], None]) -> Members:
    document = json.loads(members[name])
    change(document)
    return {**members, name: json.dumps(document).encode()}


def column(members: Members, table: str, name: str) -> int:
    tables = json.loads(members["manifest.json"])["tables"]
    [found] = [each for each in tables if each["name"] == table]
    return list(found["columns"]).index(name)


def test_it_is_whole_as_it_is(whole: Members, room: Path) -> None:
    assert restored(room, packed(whole)) == "done, 0 differences"


@pytest.mark.parametrize("name", NAMES if LONG else NAMES[:2])
def test_no_place_or_digest_of_its_own_leads_anywhere(
    whole: Members, room: Path, name: str
) -> None:
    """Neither read: else the file could be downloaded afterwards; nor written."""
    place, digest = (column(whole, "blob", each) for each in ("place", "digest"))

    def elsewhere(row: list[Any]) -> None:
        row[place] = name

    def named(row: list[Any]) -> None:
        row[digest] = name

    def without_files(manifest: dict[str, Any]) -> None:
        manifest["files"] = False

    astray = changed(whole, "tables/blob.jsonl", elsewhere)
    assert restored(room, packed(astray)) == "done, 0 differences"  # it has a place of its own
    lost = changed(astray, "manifest.json", without_files)
    assert "damaged at the file" in restored(room, packed(lost))
    wrong = changed({**whole, f"files/{name}": b"evil"}, "tables/blob.jsonl", named)
    assert "damaged at" in restored(room, packed(wrong))


def test_what_else_is_in_it_stays_in_it(whole: Members, room: Path) -> None:
    more = dict.fromkeys(filter(None, NAMES), b"evil")
    assert restored(room, packed({**whole, **more})) == "done, 0 differences"


def bomb(size: int) -> bytes:
    return b"[" + b" " * size


@pytest.mark.parametrize(
    "name", ["manifest.json", "tables/task.jsonl", "tables/blob.jsonl", f"files/{DIGEST}"]
)
@pytest.mark.parametrize(
    "way",
    [zipfile.ZIP_DEFLATED, *([zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA] if LONG else [])],
)
def test_what_swells_is_let_go(
    whole: Members, room: Path, name: str, way: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1:1000 and more: no more of it than one row may have is ever taken into memory, or to the disk."""
    taken = []

    def loads(text: bytes) -> Any:
        taken.append(len(text))
        return json.JSONDecoder().decode(text.decode())

    monkeypatch.setattr(archive, "_LONGEST", 1 << 16)
    monkeypatch.setattr(json, "loads", loads)
    content = packed({**whole, name: bomb((1 << 26) if LONG else (1 << 22))}, way)
    said = restored(room, content)
    assert "damaged" in said or "no backup" in said, said
    assert max(taken, default=0) <= 1 << 16
    assert not [*(room / "buildd.db.blobs").rglob(f"{DIGEST[:2]}/*")]


def _tables(manifest: dict[str, Any]) -> Any:
    return manifest["tables"]


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it.update(tables=[]),
        lambda it: it.update(revision="../../evil"),
        lambda it: it.update(revision="0001; DROP TABLE task"),
        lambda it: it.update(taken_at="never"),
        lambda it: it.update(format=2),
        lambda it: it.update(files="maybe"),
        lambda it: it.update(lost=[{}]),
        lambda it: _tables(it)[0].update(name='x"; DROP TABLE task; --'),
        lambda it: _tables(it)[0].update(name="sqlite_master"),
        lambda it: _tables(it)[0].update(columns={}),
        lambda it: _tables(it)[0].update(columns={'a" = 1; --': "text"}),
        lambda it: _tables(it).append({**_tables(it)[0], "name": "no_such_table"}),
        lambda it: _tables(it).append(_tables(it)[-1]),
        lambda it: _tables(it).reverse(),
    ],
)
def test_a_manifest_that_says_what_is_not_so(
    whole: Members, room: Path, change: Callable[[Any], None]
) -> None:
    wrong = changed(whole, "manifest.json", change)
    name = _tables(json.loads(wrong["manifest.json"]))[:1]
    if name:
        wrong[f"tables/{name[0]['name']}.jsonl"] = wrong["tables/account.jsonl"]
    restored(room, packed(wrong))


rows = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"[]\n", b"null\n", b"[[" * 60_000, b"[1" * 9, b'["\xff"]', b"{}\n"]),
    st.recursive(
        st.none() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=20),
    ).map(lambda value: json.dumps(value).encode() + b"\n"),
)


@settings(
    max_examples=150 if LONG else 10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_rows_that_are_none(whole: Members, room: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(set(whole) - {"manifest.json", f"files/{DIGEST}"})))
    said = restored(room, packed({**whole, name: data.draw(rows)}))
    assert said


def test_a_value_that_its_column_cannot_have(whole: Members, room: Path) -> None:
    said = restored(room, packed({**whole, "tables/task_dependency.jsonl": b'[null, null, "x"]\n'}))
    assert "damaged at a row of task_dependency" in said


@settings(
    max_examples=1000 if LONG else 20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    places=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    cut=st.floats(0, 1) | st.none(),
)
@example(places=[], cut=0.0)
def test_bytes_that_have_changed(
    whole: Members, room: Path, places: list[tuple[float, int]], cut: float | None
) -> None:
    content = bytearray(packed(whole))
    for where, value in places:
        content[int(where * (len(content) - 1))] = value
    end = len(content) if cut is None else int(cut * len(content))
    assert restored(room, bytes(content[:end]))
