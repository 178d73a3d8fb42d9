"""Hand-made mutants: guards of the broker, each taken away in a copy of the tree, to see that tests notice.

The list is data (`mutants.toml`). A mutant is killed when the tests it names fail; when they pass, a
guard could be lost without anybody noticing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
_PARTS = ("src", "tests", "pyproject.toml")
_TESTS_FAILED = 1


@dataclass(frozen=True)
class Mutant:
    """One guard, and how it is taken away."""

    guard: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]

    def occurrences(self) -> int:
        """How often the text to replace stands in its file; anything but once means: mend the list."""
        return (ROOT / self.file).read_text().count(self.find)


@dataclass(frozen=True)
class Fate:
    """What became of a mutant."""

    mutant: Mutant
    code: int
    said: str

    @property
    def killed(self) -> bool:
        """Whether its tests ran and failed."""
        return self.code == _TESTS_FAILED


def mutants() -> list[Mutant]:
    """All of the list."""
    listed = tomllib.loads((Path(__file__).parent / "mutants.toml").read_text())
    return [Mutant(**{**each, "tests": tuple(each["tests"])}) for each in listed["mutant"]]


def fates(chosen: Iterable[Mutant], jobs: int) -> Iterator[Fate]:
    """Try each one in a copy of the tree, `jobs` at a time."""
    with TemporaryDirectory(prefix="buildd-mutants-") as directory:
        free: SimpleQueue[Path] = SimpleQueue()
        for number in range(jobs):
            free.put(_copy(Path(directory) / str(number)))

        def try_out(mutant: Mutant) -> Fate:
            tree = free.get()
            try:
                with _applied(mutant, tree):
                    return _run(mutant, tree)
            finally:
                free.put(tree)

        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(try_out, chosen)


def unharmed(chosen: Iterable[Mutant]) -> Fate:
    """The same tests on the tree as it is: they must pass, or a kill would mean nothing."""
    every = tuple(dict.fromkeys(test for mutant in chosen for test in mutant.tests))
    with TemporaryDirectory(prefix="buildd-mutants-") as directory:
        return _run(Mutant("none", "", "", "", every), _copy(Path(directory) / "0"))


def _copy(tree: Path) -> Path:
    tree.mkdir()
    for part in _PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / part)
    return tree


@contextmanager
def _applied(mutant: Mutant, tree: Path) -> Iterator[None]:
    file = tree / mutant.file
    text = file.read_text()
    file.write_text(text.replace(mutant.find, mutant.replace))
    try:
        yield
    finally:
        file.write_text(text)


def _run(mutant: Mutant, tree: Path) -> Fate:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-xq",
            "--timeout=60",
            "-p",
            "no:cacheprovider",
            *mutant.tests,
        ],
        cwd=tree,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tree / "src"), str(tree)]),
            # A file that changes twice in a second must not be met by an older compilation.
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Fate(mutant, done.returncode, done.stdout)
