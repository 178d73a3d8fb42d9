"""Files that agents show: of any kind and size, and without the secrets that the agent knows."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from urllib.parse import quote

import pytest

from buildd import agent
from buildd.agent import BlockingSession, Session
from buildd.blobs import PIECE
from buildd.models import ArtifactType
from buildd.redaction import RedactedBytes, Redactor
from tests.agent.office import Office

SECRET = "wJalrXUtnFEMIK7MDENG+bPxRfiCY/EXAMPLE"  # noqa: S105 - it opens nothing
FOREIGN = "pässwörd-日本-0123456789"


def run(office: Office, handle: object) -> dict[str, bytes]:
    """The bytes of all that an agent showed, by the name of the file."""
    task = office.task()
    agent.serve(office.account, handle, single_run=True, max_tasks=1, state_dir=office.state)  # type: ignore[arg-type]
    worker = office.worker(task)
    assert worker.status == "completed", worker.error
    made = office.owner.artifacts.list(worker_id=worker.id)
    return {
        str(each.filename): b"".join(office.owner.artifacts.content(id=each.id))
        for each in made
        if each.digest
    }


def test_a_blocking_handler_shows_a_file(office: Office) -> None:
    data = os.urandom(3 * PIECE + 1)

    def handle(session: BlockingSession) -> None:
        film = session.scratch / "film.webm"
        film.write_bytes(data)
        session.attach(ArtifactType.RECORDING, title="See", file=film, metadata={"seconds": 3})

    assert run(office, handle) == {"film.webm": data}


def test_a_looping_handler_shows_a_file(office: Office) -> None:
    async def handle(session: Session) -> None:
        page = session.scratch / "page.html"
        page.write_text("<h1>hello</h1>")
        await session.attach(ArtifactType.FILE, file=page)
        with pytest.raises(ValueError, match="not both"):
            await session.attach(ArtifactType.FILE, file=page, content="hello")

    assert run(office, handle) == {"page.html": b"<h1>hello</h1>"}


def test_a_secret_in_a_file_does_not_reach_the_server(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("THE_KEY", SECRET)
    monkeypatch.setenv("OTHER_SECRET", FOREIGN)

    def handle(session: BlockingSession) -> None:
        for number, offset in enumerate((0, 1, 20, 36, 37)):  # before, in and behind the border
            file = session.scratch / f"{number}-{FOREIGN}.log"
            file.write_bytes(bytes(PIECE - offset) + SECRET.encode() + FOREIGN.encode() + b"\xff")
            session.attach(ArtifactType.FILE, title=SECRET, file=file)

    shown = run(office, handle)
    assert len(shown) == 5
    for data in shown.values():
        assert data.rstrip(b"\xff").endswith(b"[redacted][redacted]")
    stored = b"".join(each.read_bytes() for each in tmp_path.glob("buildd.db*") if each.is_file())
    blobs = b"".join(each.read_bytes() for each in (tmp_path / "buildd.db.blobs").glob("*/*"))
    for part in (SECRET[:12].encode(), SECRET[-12:].encode(), FOREIGN.encode()[-12:]):
        assert part not in stored + blobs


@pytest.mark.parametrize("secret", [SECRET, FOREIGN])
@pytest.mark.parametrize("form", ["plain", "url", "base64"])
def test_a_secret_is_found_wherever_a_file_is_divided(secret: str, form: str) -> None:
    raw = secret.encode()
    written = {"plain": raw, "url": quote(raw).encode(), "base64": base64.b64encode(raw)}[form]
    before, behind = b"\x00\xff\xfe key=", b"\n\x80 and so on"
    whole = before + written + behind
    redactor = Redactor([secret])
    for first in range(len(whole) + 1):
        for second in range(first, min(first + 9, len(whole)) + 1):
            stream = RedactedBytes(redactor)
            parts = (whole[:first], whole[first:second], whole[second:])
            clean = b"".join([*map(stream.feed, parts), stream.close()])
            assert clean.startswith(before)
            assert clean.endswith(behind)
            assert b"[redacted]" in clean
            assert written[:12] not in clean
            assert written[-12:-4] not in clean


def test_a_file_without_a_secret_stays_as_it_is() -> None:
    data = os.urandom(PIECE) + "ein Text, 日本, -----BEGIN CERTIFICATE-----".encode()
    stream = RedactedBytes(Redactor([SECRET]))
    pieces = [data[at : at + 65_536] for at in range(0, len(data), 65_536)]
    assert b"".join([*map(stream.feed, pieces), stream.close()]) == data
