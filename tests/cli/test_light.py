"""Starting is cheap: agents call `buildd` many times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import environ_of

HEAVY = {
    "alembic", "anyio", "httpx2", "importlib.metadata", "psycopg", "pydantic", "rich",
    "sqlalchemy", "sqlmodel", "starlette",
}  # fmt: skip

SCRIPT = """
import sys
from buildd.cli._app import root
from buildd.cli._exits import run
code = run(root, sys.argv[1:], "buildd")
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        (["tasks", "--help"], set()),
        (["tasks", "create", "--help"], set()),
        (["schedules", "create", "--help"], set()),
        (["db", "audit", "--help"], set()),
        (["help", "exit-codes"], set()),
        (["accounts", "--help"], set()),
        (["agent", "ask", "--help"], set()),
        (["version", "--json"], {"importlib.metadata"}),
    ],
)
def test_help_loads_nothing_heavy(arguments: list[str], allowed: set[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        env=environ_of(tmp_path),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout
    assert set(done.stderr.split()) & HEAVY <= allowed


def test_the_entry_point_itself_loads_not_even_click(tmp_path: Path) -> None:
    script = "import sys, buildd.cli; sys.exit('click' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], env=environ_of(tmp_path), check=True)
