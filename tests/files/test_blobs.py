"""Bytes on a disk: kept whole or not at all, and never taken away from those who refer to them."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from buildd.blobs import DiskBlobs, FileLimits
from buildd.broker import Broker, BrokerSettings
from buildd.broker.sweeping import Sweeper
from buildd.client import connect
from buildd.errors import ConfigError, Unavailable
from buildd.store import LOST, audit
from tests.conftest import serving
from tests.files.conftest import crew_of, kept

DAY = 86_400
KILLED = """
import os, signal, sys
from pathlib import Path
from buildd.blobs import DiskBlobs

blobs, at = DiskBlobs(Path(sys.argv[1])), sys.argv[2]
rename = Path.rename


def dying(self, target):
    if at == "after":
        rename(self, target)
    os.kill(os.getpid(), signal.SIGKILL)


Path.rename = dying
with blobs.receive() as incoming:
    incoming.write(b"half")
    if at == "during":
        os.kill(os.getpid(), signal.SIGKILL)
    incoming.finish()
"""


def put(blobs: DiskBlobs, data: bytes) -> str:
    with blobs.receive() as incoming:
        incoming.write(data)
        return incoming.finish().place


def test_a_place_is_named_by_the_digest_and_never_used_twice(tmp_path: Path) -> None:
    blobs = DiskBlobs(tmp_path / "deep" / "blobs")
    first, second = put(blobs, b"x"), put(blobs, b"x")
    digest = hashlib.sha256(b"x").hexdigest()
    assert first != second
    for place in (first, second):
        assert place.startswith(f"{digest[:2]}/{digest}-")
        assert blobs.size(place) == 1
    blobs.remove(first)
    blobs.remove(first)
    assert (blobs.size(first), blobs.open(first)) == (None, None)
    file = blobs.open(second)
    assert file is not None
    with file:
        blobs.remove(second)
        assert file.read() == b"x"


@pytest.mark.parametrize("place", ["../x", "ab/../../x", "incoming/x", "", "/etc/passwd"])
def test_what_is_no_place_is_not_looked_at(tmp_path: Path, place: str) -> None:
    with pytest.raises(ValueError, match="not a place"):
        DiskBlobs(tmp_path).open(place)


@pytest.mark.parametrize("at", ["during", "before", "after"])
def test_who_dies_leaves_nothing_half_and_what_is_left_is_swept_up(tmp_path: Path, at: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path, at], check=False)
    assert done.returncode == -signal.SIGKILL
    blobs = DiskBlobs(tmp_path)
    assert [each.read_bytes() for each in kept(tmp_path)] == ([b"half"] if at == "after" else [])
    assert list(blobs.older_than(DAY)) == []
    for path in tmp_path.glob("*/*"):
        os.utime(path, (0, time.time() - 2 * DAY))
    old = list(blobs.older_than(DAY))
    assert len(old) == len(kept(tmp_path))
    assert not list(tmp_path.glob("incoming/*"))


def test_a_full_disk_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = DiskBlobs(tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="the disk is full"):
        put(blobs, b"x")
    assert not list(tmp_path.glob("*/*"))


def test_a_directory_that_cannot_be_is_refused_at_the_start(
    sqlite_url: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="BUILDD_BLOBS: cannot use"):
        Broker.open(sqlite_url, BrokerSettings(blobs=tmp_path / "file" / "blobs"))


def test_the_auditor_tells_which_bytes_are_gone(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = tmp_path / "blobs"
    monkeypatch.setenv("BUILDD_BLOBS", str(where))
    with connect(database_url) as owner:
        crew = crew_of(owner)
        made = [crew.lease.artifacts.upload(data, worker_id=crew.id) for data in (b"a", b"bc")]
    assert audit(database_url, where) == []
    first, second = (next(where.glob(f"*/{each.digest}-*")) for each in made)
    first.unlink()
    second.write_bytes(b"b")
    found = {(each.check, each.id, each.counter, each.rows) for each in audit(database_url, where)}
    assert found == {
        (LOST, made[0].digest, "1", "no file"),
        (LOST, made[1].digest, "2", "1"),
    }
    if database_url.startswith("postgresql"):
        with pytest.raises(ConfigError, match="set BUILDD_BLOBS"):
            audit(database_url)


def test_what_a_crash_left_is_swept_up_once_a_day(database_url: str, tmp_path: Path) -> None:
    blobs = DiskBlobs(tmp_path / "blobs")
    with closing(Broker.open(database_url, BrokerSettings(blobs=blobs.root))) as broker:
        with serving(broker) as address, connect(address) as owner:
            crew = crew_of(owner)
            crew.lease.artifacts.upload(b"wanted", worker_id=crew.id)
        fresh, old = put(blobs, b"fresh"), put(blobs, b"old")
        for each in [blobs.root / old, *kept(blobs.root)]:
            if each != blobs.root / fresh:
                os.utime(each, (0, time.time() - 2 * DAY))
        Sweeper(broker._store, blobs).search(blobs)
    assert {each.read_bytes() for each in kept(blobs.root)} == {b"wanted", b"fresh"}


def test_the_limits_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from buildd import environment

    assert environment.file_limits({}) == FileLimits()
    environ = {"BUILDD_MAX_FILE_MB": "1", "BUILDD_MAX_WORKER_MB": "2"}
    environ["BUILDD_MAX_WORKER_FILES"] = "3"
    assert environment.file_limits(environ) == FileLimits(2**20, 2 * 2**20, 3)
    for wrong in ("-1", "1.5", "many", "2048"):
        with pytest.raises(ConfigError, match="BUILDD_MAX_FILE_MB must be a whole number"):
            environment.file_limits({"BUILDD_MAX_FILE_MB": wrong})
    assert environment.blobs({}) is None
    assert environment.blobs({"BUILDD_BLOBS": "s3://bucket/team"}) == "s3://bucket/team"
    with pytest.raises(ConfigError, match="must be a directory, or s3://BUCKET/PREFIX"):
        environment.blobs({"BUILDD_BLOBS": "gs://bucket"})
