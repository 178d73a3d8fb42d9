"""The bytes of files in a bucket: obstore's own HTTP and signatures, against a far end that speaks S3."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import boto3  # type: ignore[import-untyped]
import pytest
from moto.server import ThreadedMotoServer

from buildd import environment
from buildd.broker import Broker, BrokerSettings
from buildd.broker.sweeping import Sweeper
from buildd.client import connect
from buildd.errors import ConfigError, Unavailable
from buildd.store import audit
from buildd.store.s3 import S3Blobs
from tests.conftest import serving
from tests.files.conftest import crew_of

pytestmark = pytest.mark.real

SECRET = "the-secret-of-the-bucket"  # noqa: S105 - of a far end on this machine
URL = "s3://buildd-files/team"
BIG = bytes(range(256)) * 50_000
"""More than goes up in one piece."""


@pytest.fixture(scope="module")
def far_end() -> Iterator[ThreadedMotoServer]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def address(far_end: ThreadedMotoServer) -> str:
    return "http://{}:{}".format(*far_end.get_host_and_port())


@pytest.fixture
def blobs(address: str, monkeypatch: pytest.MonkeyPatch) -> S3Blobs:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-id-of-the-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    bucket = boto3.resource("s3", endpoint_url=address).Bucket("buildd-files")
    bucket.create()
    bucket.objects.delete()
    return S3Blobs(URL)


def put(blobs: S3Blobs, data: bytes) -> str:
    with blobs.receive() as incoming:
        for start in range(0, len(data), 100_000):
            incoming.write(data[start : start + 100_000])
        received = incoming.finish()
    assert (received.digest, received.size) == (hashlib.sha256(data).hexdigest(), len(data))
    return received.place


def test_a_place_is_filled_read_and_emptied(blobs: S3Blobs) -> None:
    blobs.check()
    first, second = put(blobs, BIG), put(blobs, BIG)
    assert first != second
    assert blobs.size(first) == len(BIG)
    file = blobs.open(first)
    assert file is not None
    with file:
        assert b"".join(iter(lambda: file.read(100_000), b"")) == BIG
    assert sorted(blobs.older_than(-60)) == sorted([first, second])
    assert list(blobs.older_than(3600)) == []
    for _ in range(2):
        blobs.remove(first)
    assert (blobs.size(first), blobs.open(first)) == (None, None)
    assert blobs.size(second) == len(BIG)


def test_what_breaks_off_reaches_no_bucket(blobs: S3Blobs) -> None:
    with blobs.receive() as incoming:
        incoming.write(b"half")
    assert list(blobs.older_than(-60)) == []


@pytest.mark.parametrize("place", ["../x", "check", "", "/etc/passwd"])
def test_what_is_no_place_is_not_looked_at(blobs: S3Blobs, place: str) -> None:
    with pytest.raises(ValueError, match="not a place"):
        blobs.open(place)


def test_a_server_keeps_files_there(
    blobs: S3Blobs, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDD_BLOBS", URL)
    settings = BrokerSettings(blobs=environment.blobs())
    with (
        closing(Broker.open(sqlite_url, settings)) as broker,
        serving(broker) as address,
        connect(address) as owner,
    ):
        crew = crew_of(owner)
        (tmp_path / "film.bin").write_bytes(BIG)
        shown = crew.lease.artifacts.upload(tmp_path / "film.bin", worker_id=crew.id, type="file")
        again = crew.lease.artifacts.upload(tmp_path / "film.bin", worker_id=crew.id, type="file")
        assert shown.digest == again.digest
        assert len([*blobs.older_than(-60)]) == 1
        assert b"".join(crew.member.artifacts.content(id=again.id)) == BIG
        assert audit(sqlite_url, URL) == []
        owner.tasks.cancel(id=crew.claimed.task_id)
        owner.tasks.delete(id=crew.claimed.task_id)
        Sweeper(broker._store, blobs).sweep(blobs)
    assert [*blobs.older_than(-60)] == []


def test_a_bucket_that_cannot_be_used_is_told_at_the_start(blobs: S3Blobs) -> None:
    with pytest.raises(ConfigError, match=r"BUILDD_BLOBS: cannot use s3://no-such-bucket") as told:
        S3Blobs("s3://no-such-bucket").check()
    assert SECRET not in str(told.value)


@pytest.mark.parametrize("url", ["s3://", "s3://key@bucket", "s3://bucket?x=1", "s3:///prefix"])
def test_a_url_that_names_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="s3://BUCKET/PREFIX"):
        S3Blobs(url)


def test_a_bucket_that_is_away_is_unavailable(
    blobs: S3Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    away = S3Blobs(URL)
    with pytest.raises(Unavailable, match="files cannot be kept or read now") as told:
        away.size("ab/" + "ab" * 32 + "-" + "0" * 16)
    assert SECRET not in str(told.value)
    assert "\n" not in str(told.value)
