"""The container file's own commands, run in a directory instead of an image, since that needs no daemon.

Not run are `useradd` and what only a container has: its user, its read-only root and its limits.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.deploy.processes import ADMIN_KEY, environment
from tests.deploy.test_shipped_files import ROOT, instructions, one
from tests.patience import until

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif("BUILDD_LONG" not in os.environ, reason="the long form: make chaos"),
    pytest.mark.timeout(900),
]


class Image:
    """A directory that stands for an image's root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cwd = root

    def inside(self, text: str) -> str:
        """Paths of the image as they are here."""
        for path in ("/opt/buildd", "/var/lib/buildd"):
            text = text.replace(path, f"{self.root}{path}")
        return text

    def build(self) -> None:
        """Do what the first stage says."""
        stages = 0
        for name, rest in instructions():
            stages += name == "FROM"
            if stages == 1:
                self._do(name, rest)

    def _do(self, name: str, rest: str) -> None:
        if name == "WORKDIR":
            self.cwd = self.root / rest.lstrip("/")
            self.cwd.mkdir(parents=True)
        elif name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                self._copy(ROOT / source, self.cwd / target, into=target.endswith("/"))
        elif name == "RUN":
            python = Path(sys.executable).resolve().parent
            path = f"{python}{os.pathsep}{os.environ['PATH']}"
            subprocess.run(
                ["sh", "-c", self.inside(rest)],
                cwd=self.cwd,
                env={**os.environ, "PATH": path},
                check=True,
            )

    def _copy(self, source: Path, target: Path, *, into: bool) -> None:
        target = target / source.name if into else target
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def test_the_container_file_makes_a_server_that_runs(tmp_path: Path) -> None:
    image = Image(tmp_path / "image")
    image.build()
    state = image.root / "var/lib/buildd"
    state.mkdir(parents=True)
    settings = dict(each.split("=", 1) for each in image.inside(one("ENV")).split())
    settings |= {"BUILDD_PORT": "0", "PATH": settings["PATH"].replace("$PATH", os.environ["PATH"])}
    command = json.loads(one("ENTRYPOINT")) + json.loads(one("CMD"))
    with subprocess.Popen(
        command,
        cwd=state,
        env={**environment(BUILDD_ADMIN_KEY=ADMIN_KEY, **settings), "PYTHONPATH": ""},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split(" (")[0].rpartition(":")[2])
        until(lambda: httpx2.get(f"http://127.0.0.1:{port}/ready", trust_env=False).is_success)
        process.terminate()
    assert process.returncode == 0
    assert {each.name.partition(".")[0] for each in state.iterdir()} == {"buildd"}
