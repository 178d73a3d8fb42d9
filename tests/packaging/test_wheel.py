"""The wheel carries everything that runs, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", target],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [built] = target.glob("*.whl")
    return zipfile.ZipFile(built)


def test_it_has_every_source_file(wheel: zipfile.ZipFile) -> None:
    source = ROOT / "src"
    ours = {
        str(path.relative_to(source))
        for path in source.glob("buildd*/**/*")
        if path.is_file() and path.suffix != ".pyc"
    }
    carried = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert carried == ours
    assert {
        f"{package}/py.typed" for package in ("buildd", "buildd_runners", "buildd_server")
    } < ours


def test_it_offers_its_commands_and_plugins(wheel: zipfile.ZipFile) -> None:
    [name] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    offered = wheel.read(name).decode()
    for line in ("buildd = ", "buildd-agent = ", "server = ", "demo = ", "[buildd.plugins]"):
        assert line in offered


def test_it_has_the_licence(wheel: zipfile.ZipFile) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
