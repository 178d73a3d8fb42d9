"""What packages add is found as Python itself would find it."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path
from zipfile import ZipFile

import pytest

from buildd.cli._added import GROUP, added

ENTRIES = """
[console_scripts]
buildd.commands = no:thing

[buildd.commands]
# a = comment:only
ship = ship.yard : launch
 moor=ship:moor [ropes]

[others]
sink = ship:sink
"""


def _install(place: Path, package: str, entries: str | None = None) -> None:
    info = place / package
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ship\nVersion: 1\n")
    if entries is not None:
        (info / "entry_points.txt").write_text(entries)


def _as_python_does() -> dict[str, str]:
    return {entry.name: entry.value for entry in entry_points(group=GROUP)}


def test_the_commands_are_those_that_python_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path / "first", "Ship_Yard-1.0.dist-info", ENTRIES)
    _install(tmp_path / "first", "bare.egg-info")
    _install(tmp_path / "second", "ship.yard-0.9.dist-info", "[buildd.commands]\nold = ship:old\n")
    _install(tmp_path / "second", "bare-2.dist-info", "[buildd.commands]\nhid = ship:hid\n")
    monkeypatch.chdir(tmp_path / "second")
    there = [str(tmp_path / "first"), str(tmp_path / "missing"), ""]
    monkeypatch.setattr(sys, "path", [*there, *sys.path])
    found = added()
    assert found == _as_python_does()
    assert found.items() >= {"ship": "ship.yard : launch", "moor": "ship:moor [ropes]"}.items()
    assert not found.keys() & {"a", "old", "hid", "sink"}


def test_the_commands_of_an_archive_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ZipFile(tmp_path / "ships.zip", "w") as archive:
        archive.writestr("ship-1.dist-info/METADATA", "Name: ship\nVersion: 1\n")
        archive.writestr("ship-1.dist-info/entry_points.txt", ENTRIES)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "ships.zip"), *sys.path])
    assert added()["ship"] == "ship.yard : launch"
