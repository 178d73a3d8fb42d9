"""`buildd db backup` and `buildd db restore`, as they are typed: what they say, and how they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildd.broker import ADMIN, Broker
from buildd.cli._app import root
from buildd.cli._exits import ExitCode, run
from buildd.operations import CreateWorkspace


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory without any, and a database with something in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("BUILDD_DATABASE", "DATABASE_URL", "BUILDD_BLOBS"):
        monkeypatch.delenv(name, raising=False)
    broker = Broker.open("sqlite:///buildd.db")
    broker.execute(CreateWorkspace(name="shop"), ADMIN)
    broker.close()


def test_a_backup_and_back(capsys: pytest.CaptureFixture[str]) -> None:
    new = ["--database", "sqlite:///new.db"]
    assert run(root, ["db", "backup", "a.backup"], "buildd") == ExitCode.OK
    assert capsys.readouterr().out.startswith("a.backup: ")
    assert run(root, ["db", "restore", "a.backup", *new], "buildd") == ExitCode.OK
    said = capsys.readouterr()
    assert said.out.startswith("sqlite:///new.db is as it was at 20")
    assert said.out.endswith("0 files, 0 differences\n")
    assert "revoke them again" in said.err
    assert run(root, ["db", "restore", "a.backup", *new, "--force"], "buildd") == ExitCode.OK


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["backup", "buildd.db"], ExitCode.USAGE, "buildd.db exists"),
        (["backup", "no/where"], ExitCode.FAILURE, "No such file"),
        (["backup", "a", "--database", "sqlite:///no.db"], ExitCode.USAGE, "no SQLite database"),
        (["restore", "buildd.db"], ExitCode.USAGE, "buildd.db is no backup of buildd"),
        (["restore", "a.backup"], ExitCode.USAGE, "does not exist"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    arguments: list[str], code: ExitCode, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(root, ["db", *arguments], "buildd") == code
    [line] = capsys.readouterr().err.splitlines()
    assert words in line
    assert sorted(each.name for each in Path().glob("*a*")) == []
