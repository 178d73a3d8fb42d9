"""Settings are named in one place, `.env.example` names all of them, and it is harmless as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from buildd.cli import _config
from buildd_server.settings import GITHUB_SETTINGS

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".env.example"
KNOWN = {setting.variable for setting in _config.SETTINGS}
FILES = {setting.file_variable for setting in _config.SETTINGS if setting.file_variable}
GIVEN = {
    "BUILDD_AGENT_PROCESS",
    "BUILDD_AGENT_SOCKET",
    "BUILDD_BRANCH",
    "BUILDD_CONTROL",
    "BUILDD_LAUNCH",
    "BUILDD_RESULT_FILE",
    "BUILDD_TASK_FILE",
    "BUILDD_TASK_ID",
    "BUILDD_TASK_JSON",
    "BUILDD_WORKER_ID",
}
"""What buildd sets for the programs that it starts."""
ELSEWHERE = {
    "BUILDD_CONFIG_DIR",  # It says where the settings are.
    "BUILDD_FAULT_SEED",  # Of the tests.
    "BUILDD_INSTALLER",  # Variables of a repository at GitHub, for its workflows.
    "BUILDD_INSTALLER_SHA256",
}
_VARIABLE = re.compile(r"BUILDD_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_])")


def named() -> Iterator[tuple[str, Path]]:
    for place in ("src", "examples", "docs"):
        for path in (ROOT / place).rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                text = path.read_text(encoding="utf-8", errors="ignore")
                yield from ((name, path) for name in _VARIABLE.findall(text))


def test_every_variable_that_anything_names_is_a_setting_or_no_persons_to_set() -> None:
    strange = {each for each in named() if each[0] not in KNOWN | FILES | GIVEN | ELSEWHERE}
    assert not strange
    assert {f"BUILDD_GITHUB_{name.upper()}" for name in GITHUB_SETTINGS} <= KNOWN


def test_the_example_names_every_setting_and_nothing_else() -> None:
    written = re.findall(r"^#? ?([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    assert set(written) == KNOWN | {"ANTHROPIC_API_KEY"}


def test_a_copy_of_it_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(EXAMPLE.read_text())
    elsewhere = {"HOME": str(tmp_path)}
    copied = _config.load(elsewhere, tmp_path).default_map()
    (tmp_path / ".env").unlink()
    assert copied == _config.load(elsewhere, tmp_path).default_map()
