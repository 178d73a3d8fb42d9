"""The `.env.example` that people copy names real settings, and is harmless as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from buildd.cli import _config

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def test_every_name_in_it_is_a_setting() -> None:
    named = set(re.findall(r"^#? ?([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE))
    known = {setting.variable for setting in _config.SETTINGS}
    assert named - {"ANTHROPIC_API_KEY"} <= known


def test_a_copy_of_it_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(EXAMPLE.read_text())
    elsewhere = {"HOME": str(tmp_path)}
    copied = _config.load(elsewhere, tmp_path).default_map()
    (tmp_path / ".env").unlink()
    assert copied == _config.load(elsewhere, tmp_path).default_map()
