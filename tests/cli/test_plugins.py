"""`buildd plugins` with packages that are really installed, good ones and others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import buildd
from tests.cli.conftest import Cli

HOOK = "from buildd.plugins import hookimpl\n@hookimpl\ndef {hook}(register):\n    {body}\n"
ECHO = HOOK.format(hook="register_executors", body="register('echo', lambda config: None)")


@pytest.fixture
def install(cli: Cli, tmp_path: Path) -> Path:
    """A place for packages that the command line finds."""
    site = tmp_path / "site"
    site.mkdir()
    cli.environ["PYTHONPATH"] = os.pathsep.join([str(site), cli.environ["PYTHONPATH"]])
    return site


def package(site: Path, name: str, code: str) -> None:
    (site / f"{name}.py").write_text(code)
    info = site / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[buildd.plugins]\n{name} = {name}\n")


def problems(cli: Cli) -> dict[str, str | None]:
    found = cli.json("plugins", "list")
    return {each["plugin"]: each["problem"] for each in found if each["plugin"] != "buildd"}


def test_what_is_offered_is_listed_with_its_package(cli: Cli, install: Path) -> None:
    package(install, "parrot", ECHO)
    [echo] = [each for each in cli.json("plugins", "list") if each["plugin"] == "parrot"]
    assert echo == {
        "kind": "executor",
        "name": "echo",
        "plugin": "parrot",
        "module": "parrot",
        "distribution": "parrot",
        "version": "1.2",
        "problem": None,
    }
    head, *rows = cli.ok("plugins", "list").splitlines()
    assert head.split() == ["KIND", "NAME", "PLUGIN", "FROM"]
    assert ["executor", "echo", "parrot", "parrot", "1.2"] in [row.split() for row in rows]
    ours = ["runner", "local", "buildd", "buildd", buildd.__version__]
    assert ours in [row.split() for row in rows]


def test_sources_and_those_who_look_on_are_listed_too(cli: Cli, install: Path) -> None:
    package(
        install, "tracker", HOOK.format(hook="register_sources", body="register('notes', dict)")
    )
    looking_on = HOOK.replace("(register)", "(event)").format(hook="task_event", body="pass")
    package(install, "pager", looking_on)
    package(
        install, "chooser", HOOK.replace("(register)", "(task)").format(hook="prefer", body="0")
    )
    rows = [row.split()[:3] for row in cli.ok("plugins", "list").splitlines()]
    assert ["source", "notes", "tracker"] in rows
    assert ["observer", "—", "pager"] in rows
    assert ["preference", "—", "chooser"] in rows


def test_what_does_not_load_says_why_in_one_line(cli: Cli, install: Path) -> None:
    package(install, "gone", "import no_such_module")
    package(install, "typo", HOOK.format(hook="register_runner", body="pass"))
    package(install, "empty", "")
    package(install, "rough", HOOK.format(hook="register_runners", body="raise KeyError('x\\ny')"))
    package(install, "parrot", ECHO)
    package(install, "sparrow", ECHO)
    found = problems(cli)
    assert found["gone"] == "does not load: No module named 'no_such_module'"
    assert found["empty"] == "offers nothing"
    assert "register_runner" in (found["typo"] or "")
    assert found["rough"] == "does not load: 'x\\ny'"
    twice = [found["parrot"], found["sparrow"]]
    assert sorted(twice, key=str) == [None, "another plugin offers that name too"]
    assert "No module named 'no_such_module'" in cli.ok("plugins", "list")
