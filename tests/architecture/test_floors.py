"""The floors of the house, and the house style that can be counted."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HISTORY = "migrations"
"""A migration is written once and read in one piece."""
SOURCES = sorted(p for p in (ROOT / "src").rglob("*.py") if HISTORY not in p.parts)
SCRIPTS = sorted((ROOT / "src" / "buildd_server" / "web").rglob("*.js"))
MOST_LINES = 400
MOST_FUNCTION_LINES = 50
NO_NAMES_FOR_MODULES = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}


def test_imports_go_down() -> None:
    program = "import sys\nfrom importlinter.cli import lint_imports_command as run\nrun()"
    ran = subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--no-logo"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_part_of_buildd_stands_on_a_floor() -> None:
    """What stands on none may import whatever it likes."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [floors] = [each["layers"] for each in linter["contracts"] if each["id"] == "floors"]
    placed = [name for floor in floors for name in re.findall(r"buildd\.(\w+)", floor)]
    there = {
        path.stem for path in (ROOT / "src" / "buildd").iterdir() if path.suffix in {"", ".py"}
    }
    assert sorted(placed) == sorted(name for name in there if not name.startswith("__"))


@pytest.mark.parametrize("script", ["unasync.py", "docs.py", "web_types.py"])
def test_what_is_generated_is_fresh(script: str) -> None:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / script), "--check"],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_file_is_short_and_says_why_it_exists(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert path.stem not in NO_NAMES_FOR_MODULES
    assert len(text.splitlines()) <= MOST_LINES
    assert not tree.body or ast.get_docstring(tree)
    assert [
        f"{each.name}:{each.lineno}"
        for each in _functions(tree)
        if _lines(each) > MOST_FUNCTION_LINES
    ] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_short_and_says_why_it_exists(path: Path) -> None:
    text = path.read_text()
    assert path.stem not in NO_NAMES_FOR_MODULES
    assert len(text.splitlines()) <= MOST_LINES
    assert re.match(r"(// @ts-check\n)?// [A-Z]", text)
    assert not re.search(r"@ts-(nocheck|ignore)", text)


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1
