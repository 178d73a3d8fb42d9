"""The command line as people run it: a process with a home and a directory of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

import buildd
from buildd.cli._app import root
from buildd.cli._config import SETTINGS
from buildd.cli._exits import run
from tests.patience import PATIENCE

SOURCE = str(Path(buildd.__file__).parents[1])
ADMIN_KEY = "an-administrator-for-tests"


def environ_of(home: Path) -> dict[str, str]:
    """An environment with this source tree and none of buildd's settings."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE, "HOME": str(home), "LANG": "C.UTF-8"}


@dataclass
class Cli:
    """Runs `buildd` in a directory, with nothing of this process's settings."""

    directory: Path
    environ: dict[str, str]

    def __call__(
        self, *arguments: str, stdin: str = "", **settings: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "buildd", *arguments],
            cwd=self.directory,
            env={**self.environ, **settings},
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )

    def ok(self, *arguments: str, **more: Any) -> str:
        """What a command that succeeds prints."""
        done = self(*arguments, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments: str, **more: Any) -> Any:
        """What a command that succeeds prints with --json."""
        return json.loads(self.ok(*arguments, "--json", **more))

    def error(self, code: int, *arguments: str, **more: Any) -> str:
        """The one line of a command that fails as expected."""
        done = self(*arguments, **more)
        assert (done.returncode, done.stdout) == (code, ""), done
        (line,) = done.stderr.splitlines()
        assert line.startswith("buildd: error: ")
        return line.removeprefix("buildd: error: ")

    def start(self, *arguments: str, stderr: int | IO[bytes] = subprocess.PIPE) -> Any:
        """A command that goes on running."""
        return subprocess.Popen(
            [sys.executable, "-m", "buildd", *arguments],
            cwd=self.directory,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )


@pytest.fixture(autouse=True)
def _nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs in this process finds no settings either."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUILDD_CONFIG_DIR", str(tmp_path))
    for setting in SETTINGS:
        monkeypatch.delenv(setting.variable, raising=False)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    directory = tmp_path / "here"
    directory.mkdir()
    home = tmp_path / "home"
    home.mkdir()
    return Cli(directory, environ_of(home))


@pytest.fixture
def embedded(cli: Cli, sqlite_url: str) -> Cli:
    """The command line on a database, without a server."""
    cli.environ["BUILDD_SERVER"] = sqlite_url
    return cli


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server that asks everybody for a key: its address."""
    home = tmp_path_factory.mktemp("server")
    process = subprocess.Popen(
        [sys.executable, "-m", "buildd_server", "--port", "0"],
        cwd=home,
        env={**environ_of(home), "BUILDD_ADMIN_KEY": ADMIN_KEY},
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    yield next(word for word in line.split() if word.startswith("http://"))
    process.terminate()
    process.communicate(timeout=PATIENCE)


@pytest.fixture
def remote(cli: Cli, server: str) -> Cli:
    """The command line of an administrator of the server."""
    cli.environ |= {"BUILDD_SERVER": server, "BUILDD_API_KEY": ADMIN_KEY}
    return cli


@dataclass
class Here:
    """Runs `buildd` in this process, on a database of its own: for what needs no real one."""

    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self.capsys.readouterr()
        code = run(root, arguments, "buildd")
        return code, *self.capsys.readouterr()

    def json(self, *arguments: str, **more: Any) -> Any:
        """What a command that succeeds prints with --json."""
        code, out, err = self(*arguments, "--json", **more)
        assert code == 0, err
        return json.loads(out)

    def ok(self, *arguments: str, **more: Any) -> str:
        """What a command that succeeds prints."""
        code, out, err = self(*arguments, **more)
        assert code == 0, err
        return out

    def error(self, code: int, *arguments: str, **more: Any) -> str:
        """The one line of a command that fails as expected."""
        found, out, err = self(*arguments, **more)
        assert (found, out) == (code, ""), err
        (line,) = err.splitlines()
        return line.removeprefix("buildd: error: ").partition(" (see 'buildd ")[0]


@pytest.fixture
def here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, sqlite_url: str
) -> Here:
    """The command line within this process, on a database with a workspace."""
    monkeypatch.setenv("BUILDD_SERVER", sqlite_url)
    made = Here(capsys, monkeypatch)
    monkeypatch.setenv("BUILDD_WORKSPACE", made.json("workspaces", "create", "shop")["id"])
    return made
