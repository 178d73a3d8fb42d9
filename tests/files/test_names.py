"""Names that strangers chose lead nowhere, on the server's disk or on that of who downloads (S9)."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildd.blobs import PLACE
from buildd.cli._app import root
from buildd.cli._exits import run
from buildd.client import connect
from buildd.errors import Invalid
from buildd.filenames import LONGEST, plain
from buildd.ids import Kind, new_id
from tests.files.conftest import crew_of

LONG = "BUILDD_LONG" in os.environ
pytestmark = pytest.mark.timeout(1200 if LONG else 120)
PARTS = [
    *("..", ".", "/", "\\", "//", "../", "..\\", "~", "~root", "C:", "C:\\", "\\\\host\\share"),
    *("\0", "\n", "\r", "\x1b[2J", "\x9b", "\u202e", "\u2028", "\ufeff", "\u200d", " ", ". "),
    *("CON", "NUL.txt", "aux", "COM1", "LPT9.x", "-rf", "--", "$(id)", "`id`", "%2e%2e%2f"),
    *(
        "\uff0f",
        "\u2215",
        "\u2044",
        "\uff0e\uff0e",
        "e\u0301",
        "😀",
        "a" * 120,
        "世" * 90,
        ".bashrc",
        ".ssh",
        "passwd",
    ),
    *(":stream", "|", "*", "?", "<", ">", '"', "file:///etc/passwd", "\ud800"),
]
names = st.lists(
    st.one_of(st.sampled_from(PARTS), st.text(max_size=4)), min_size=1, max_size=8
).map("".join)
RESERVED = set('/\\:<>"|?*')


@settings(max_examples=5000 if LONG else 150, deadline=None)
@given(names)
def test_a_plain_name_is_one_name_in_one_directory(name: str) -> None:
    made = plain(name)
    assert made
    assert made not in {".", ".."}
    assert not made.startswith((".", "-", " "))
    assert not made.endswith((".", " "))
    assert not RESERVED & {*made}
    assert not [each for each in made if unicodedata.category(each)[0] == "C"]
    assert len(made.encode()) <= 200
    assert Path(made).name == made
    assert not re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", made)
    assert plain(made) == made


@settings(
    max_examples=300 if LONG else 8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=names)
def test_no_file_is_written_outside_of_where_it_was_wanted(
    sqlite_url: str, tmp_path: Path, name: str
) -> None:
    """Uploaded under any name as an artifact and as an attachment, and downloaded by its name."""
    place = tmp_path / new_id(Kind.AGENT)
    place.mkdir()
    with connect(sqlite_url) as owner:
        crew = crew_of(owner)
        try:
            made = crew.lease.artifacts.upload(b"x", worker_id=crew.id, filename=name)
            message = crew.lease.messages.create(worker_id=crew.id, content="Look.").id
            crew.lease.messages.attach(b"x", message_id=message, filename=name)
        except Invalid:
            made = crew.lease.artifacts.upload(b"x", worker_id=crew.id, filename="refused")
    assert made.filename is not None
    assert len(made.filename) <= LONGEST
    before = _outside(tmp_path, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUILDD_SERVER", sqlite_url)
        patch.chdir(place)
        assert run(root, ["artifacts", "download", made.id], "buildd") == 0
    assert [each.read_bytes() for each in place.iterdir()] == [b"x"]
    assert _outside(tmp_path, place) == before
    assert all(re.fullmatch(r"buildd\.db.*|agt_\w+", each.name) for each in tmp_path.iterdir())
    for kept in (tmp_path / "buildd.db.blobs").rglob("*"):
        assert kept.is_dir() or PLACE.fullmatch(f"{kept.parent.name}/{kept.name}")


def _outside(root: Path, place: Path) -> list[Path]:
    return sorted(each for each in root.rglob("*") if place not in {each, *each.parents})
