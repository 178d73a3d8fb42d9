"""`buildd artifacts download`: a stranger's file, which must not land where it likes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import buildd
from tests.cli.conftest import Here
from tests.files.conftest import Crew, crew_of


@pytest.fixture
def crew(sqlite_url: str) -> Iterator[Crew]:
    """An attempt, on the database that the commands use."""
    with buildd.connect(sqlite_url) as owner:
        yield crew_of(owner)


def test_a_file_is_saved_under_its_name_or_another(here: Here, crew: Crew, tmp_path: Path) -> None:
    made = crew.lease.artifacts.upload(b"\x00\xff", worker_id=crew.id, filename="../../a b.png")
    assert here.ok("artifacts", "download", made.id) == "saved a b.png\n"
    assert (tmp_path / "a b.png").read_bytes() == b"\x00\xff"
    again = here.error(2, "artifacts", "download", made.id)
    assert again == "there is a a b.png already: name the file to save it in"
    (tmp_path / "b.png").write_text("old")
    assert here.json("artifacts", "download", made.id, "b.png")["digest"] == made.digest
    assert (tmp_path / "b.png").read_bytes() == b"\x00\xff"
    assert sorted(each.name for each in tmp_path.iterdir() if each.suffix == ".png") == [
        "a b.png",
        "b.png",
    ]


def test_a_text_is_printed(here: Here, crew: Crew, tmp_path: Path) -> None:
    made = crew.lease.artifacts.create(worker_id=crew.id, type="summary", content="It is done.\n")
    assert here.ok("artifacts", "download", made.id, "-") == "It is done.\n"
    here.ok("artifacts", "download", made.id)
    assert (tmp_path / f"{made.id}.txt").read_text() == "It is done.\n"


def test_what_cannot_be_saved_leaves_nothing(here: Here, crew: Crew, tmp_path: Path) -> None:
    made = crew.lease.artifacts.upload(b"x", worker_id=crew.id, filename="x.bin")
    assert "cannot write no/x: No such file" in here.error(
        2, "artifacts", "download", made.id, "no/x"
    )
    [kept] = (tmp_path / "buildd.db.blobs").glob("??/*")
    kept.unlink()
    said = here.error(3, "artifacts", "download", made.id)
    assert said == "the bytes of this file are not where this server keeps files"
    assert not list(tmp_path.glob("*.bin"))
    assert not list(tmp_path.glob(".buildd-*"))
    assert "there is no such artifact" in here.error(3, "artifacts", "download", "art_x")
