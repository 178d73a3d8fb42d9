"""Files through the façade, four ways: embedded and over HTTP, on SQLite and on Postgres."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import buildd
from buildd import ArtifactType, Client, EventType, Role
from buildd.broker import Broker
from tests.files.conftest import MB, Crew, kept, sweep


def test_an_artifact_of_bytes_comes_back_as_it_was(crew: Crew, blobs: Path, tmp_path: Path) -> None:
    picture = tmp_path / "the page.png"
    picture.write_bytes(os.urandom(MB))
    made = crew.lease.artifacts.upload(
        picture,
        worker_id=crew.id,
        type=ArtifactType.SCREENSHOT,
        title="Before",
        metadata={"width": 640, "of": ["a", "ü"]},
    )
    assert (made.filename, made.mime_type, made.size) == ("the page.png", "image/png", MB)
    assert made.digest == hashlib.sha256(picture.read_bytes()).hexdigest()
    assert (made.type, made.title, made.content) == ("screenshot", "Before", None)
    assert made.metadata == {"width": 640, "of": ["a", "ü"]}
    assert crew.member.artifacts.list(worker_id=crew.id) == [made]
    for reader in (crew.owner, crew.member, crew.lease):
        assert b"".join(reader.artifacts.content(id=made.id)) == picture.read_bytes()
    [file] = kept(blobs)
    assert file.name.startswith(made.digest)
    for each in (blobs, file.parent, file):
        assert each.stat().st_mode & 0o077 == 0


def test_an_empty_file_and_one_in_pieces_are_files_too(crew: Crew) -> None:
    def pieces() -> Iterator[bytes]:
        yield from (b"", b"one ", b"two")

    empty = crew.lease.artifacts.upload(b"", worker_id=crew.id)
    made = crew.lease.artifacts.upload(pieces(), worker_id=crew.id, filename="n.txt")
    assert (empty.size, empty.filename, empty.mime_type) == (0, "file", "application/octet-stream")
    assert (made.size, made.mime_type) == (7, "text/plain")
    assert b"".join(crew.owner.artifacts.content(id=empty.id)) == b""
    assert b"".join(crew.owner.artifacts.content(id=made.id)) == b"one two"


def test_the_content_of_a_text_is_had_like_a_file(crew: Crew) -> None:
    text = crew.lease.artifacts.create(worker_id=crew.id, type="summary", content="für alle")
    link = crew.lease.artifacts.create(worker_id=crew.id, type="link")
    assert b"".join(crew.owner.artifacts.content(id=text.id)) == "für alle".encode()
    with pytest.raises(buildd.NotFound, match="no content"):
        list(crew.owner.artifacts.content(id=link.id))


def test_messages_have_attachments_of_who_said_them(crew: Crew, bd: Client) -> None:
    told = crew.member.messages.create(worker_id=crew.id, content="Like this")
    said = crew.lease.messages.create(worker_id=crew.id, content="Like that?")
    mine = crew.member.messages.attach(b"%PDF", message_id=told.id, filename="plan.pdf")
    its = crew.lease.messages.attach(b"GIF89a", message_id=said.id, filename="a.gif")
    assert (mine.filename, mine.mime_type, mine.size) == ("plan.pdf", "application/pdf", 4)
    listed = {each.id: each.attachments for each in bd.messages.list(worker_id=crew.id)}
    assert listed == {told.id: [mine], said.id: [its]}
    assert b"".join(crew.lease.messages.attached(id=mine.id)) == b"%PDF"
    assert b"".join(crew.owner.messages.attached(id=its.id)) == b"GIF89a"
    with pytest.raises(buildd.Forbidden, match="only who said"):
        crew.lease.messages.attach(b"x", message_id=told.id)
    with pytest.raises(buildd.Forbidden, match="only who said"):
        crew.member.messages.attach(b"x", message_id=said.id)
    noted = next(bd.events(0, worker_id=crew.id, types=[EventType.WORKER_ATTACHMENT]))
    assert noted.data == {
        "attachmentId": mine.id,
        "messageId": told.id,
        "filename": "plan.pdf",
        "size": 4,
    }


def test_what_is_in_another_workspace_does_not_exist(crew: Crew) -> None:
    other = crew.another()
    said = crew.lease.messages.create(worker_id=crew.id, content="hm", role=Role.ASSISTANT)
    told = crew.owner.messages.create(worker_id=crew.id, content="so")
    artifact = crew.lease.artifacts.upload(b"secret", worker_id=crew.id)
    attached = crew.lease.messages.attach(b"secret", message_id=said.id)
    for stranger in (other.member, other.lease, crew.next()[1]):
        with pytest.raises(buildd.NotFound):
            list(stranger.artifacts.content(id=artifact.id))
        with pytest.raises(buildd.NotFound):
            list(stranger.messages.attached(id=attached.id))
        for message in (said, told):
            with pytest.raises(buildd.NotFound):
                stranger.messages.attach(b"x", message_id=message.id)
    for stranger in (other.lease, crew.next()[1]):
        with pytest.raises(buildd.NotFound):
            stranger.artifacts.upload(b"x", worker_id=crew.id)
    for caller in (crew.owner, crew.member, other.member):
        with pytest.raises(buildd.Forbidden):
            caller.artifacts.upload(b"x", worker_id=crew.id)
    for unknown in ("art_nothing", "../../etc/passwd", "art_%2f"):
        with pytest.raises(buildd.NotFound):
            list(crew.owner.artifacts.content(id=unknown))


def test_a_token_uploads_nothing_after_its_lease(crew: Crew, blobs: Path) -> None:
    def losing() -> Iterator[bytes]:
        yield b"first"
        crew.owner.tasks.cancel(id=crew.claimed.task_id)
        yield b"second"

    said = crew.lease.messages.create(worker_id=crew.id, content="hm")
    with pytest.raises(buildd.LeaseLost):
        crew.lease.artifacts.upload(losing(), worker_id=crew.id)
    with pytest.raises(buildd.LeaseLost):
        crew.lease.artifacts.upload(b"x", worker_id=crew.id)
    with pytest.raises(buildd.LeaseLost):
        crew.lease.messages.attach(b"x", message_id=said.id)
    assert kept(blobs) == []


def test_one_file_has_a_limit(crew: Crew, blobs: Path) -> None:
    crew.lease.artifacts.upload(bytes(2 * MB), worker_id=crew.id)
    with pytest.raises(buildd.TooLarge, match=r"2 MB .*BUILDD_MAX_FILE_MB") as refused:
        crew.lease.artifacts.upload((bytes(MB) for _ in range(50)), worker_id=crew.id)
    assert refused.value.details == {"limit": "BUILDD_MAX_FILE_MB", "max": 2}
    assert len(kept(blobs)) == 1


def test_a_worker_has_limits_that_attachments_count_for_too(crew: Crew, blobs: Path) -> None:
    said = crew.lease.messages.create(worker_id=crew.id, content="hm")
    crew.lease.artifacts.upload(bytes(2 * MB), worker_id=crew.id)
    crew.lease.messages.attach(bytes(2 * MB), message_id=said.id)
    with pytest.raises(buildd.TooLarge, match=r"5 MB .*BUILDD_MAX_WORKER_MB"):
        crew.lease.artifacts.upload(b"1" * (MB + 1), worker_id=crew.id)
    for _ in range(98):
        crew.lease.artifacts.upload(b"", worker_id=crew.id)
    with pytest.raises(buildd.TooLarge, match=r"100 files .*BUILDD_MAX_WORKER_FILES"):
        crew.lease.messages.attach(b"", message_id=said.id)
    claimed, lease = crew.next()
    assert lease.artifacts.upload(b"", worker_id=claimed.id).size == 0
    assert len(kept(blobs)) == 2


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "C:\\autoexec.bat", 'a"; filename="b', ".bashrc", "-rf", "\u202etxt.exe"],
)
def test_a_name_is_kept_and_is_no_path(crew: Crew, blobs: Path, name: str) -> None:
    made = crew.lease.artifacts.upload(b"x", worker_id=crew.id, filename=name)
    assert made.filename == name
    [file] = kept(blobs)
    assert file.name.startswith(str(made.digest))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"filename": "a\r\nX-Evil: 1"}, "filename"),
        ({"filename": "a\0"}, "filename"),
        ({"filename": "a" * 201}, "filename"),
        ({"filename": " "}, "filename"),
        ({"mime_type": "text"}, "mime_type"),
        ({"mime_type": "text/html\r\nX: 1"}, "mime_type"),
        ({"type": "virus"}, "type"),
    ],
)
def test_what_is_wrong_about_a_file_is_named(
    crew: Crew, fields: dict[str, str], field: str
) -> None:
    with pytest.raises(buildd.Invalid) as refused:
        crew.lease.artifacts.upload(b"x", worker_id=crew.id, **fields)
    assert [each["field"] for each in refused.value.errors] == [field]


def test_bytes_go_when_nothing_refers_to_them(crew: Crew, broker: Broker, blobs: Path) -> None:
    claimed, lease = crew.next()
    only = crew.lease.artifacts.upload(b"only here", worker_id=crew.id)
    for worker, by in ((crew.id, crew.lease), (claimed.id, lease)):
        by.artifacts.upload(b"in both", worker_id=worker)
    assert len(kept(blobs)) == 2
    crew.owner.tasks.cancel(id=crew.claimed.task_id)
    crew.owner.tasks.delete(id=crew.claimed.task_id)
    sweep(broker, blobs)
    [file] = kept(blobs)
    assert file.read_bytes() == b"in both"
    again = lease.artifacts.upload(b"only here", worker_id=claimed.id)
    assert again.digest == only.digest
    sweep(broker, blobs)
    assert b"".join(crew.owner.artifacts.content(id=again.id)) == b"only here"
    with pytest.raises(buildd.NotFound):
        list(crew.owner.artifacts.content(id=only.id))


def test_a_sweep_takes_no_bytes_that_have_come_back(
    crew: Crew, broker: Broker, blobs: Path
) -> None:
    done = threading.Event()

    def sweeping() -> None:
        while not done.is_set():
            sweep(broker, blobs)

    with ThreadPoolExecutor(2) as threads:
        sweepers = [threads.submit(sweeping) for _ in range(2)]
        try:
            for _ in range(30):
                claimed, lease = crew.next()
                made = lease.artifacts.upload(b"here again", worker_id=claimed.id)
                assert b"".join(crew.owner.artifacts.content(id=made.id)) == b"here again"
                crew.owner.tasks.cancel(id=claimed.task_id)
                crew.owner.tasks.delete(id=claimed.task_id)
        finally:
            done.set()
    assert [each.exception() for each in sweepers] == [None, None]
    sweep(broker, blobs)
    assert kept(blobs) == []
