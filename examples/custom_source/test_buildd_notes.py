"""The source does what every source does. Needs `pip install pytest`."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from buildd_notes import Notes, from_config

from buildd.errors import ConfigError
from buildd.roles import SourceItem
from buildd.testing.sources import SourceSuite, items_of


class TestNotes(SourceSuite):
    """All of the suite."""

    @pytest.fixture
    def source(self, tmp_path: Path) -> Notes:
        """Three notes, of which one is hardly one."""
        notes = tmp_path / "notes"
        (notes / "done").mkdir(parents=True)
        (notes / "gate.md").write_text("# Oil the gate\n\nIt squeaks.\n")
        (notes / "roof.md").write_text("## Mend the roof " + "over and over " * 50)
        (notes / "empty.md").touch()
        (notes / "shopping.txt").write_text("milk")
        (notes / "done" / "fence.md").write_text("# Paint the fence")
        return from_config({"directory": str(notes)})

    @pytest.fixture
    def away(self, tmp_path: Path) -> Notes:
        """The folder is not there."""
        return Notes(anyio.Path(tmp_path / "unmounted"))


def test_a_note_is_a_title_and_a_description(tmp_path: Path) -> None:
    """The heading, and what stands below."""
    (tmp_path / "gate.md").write_text("\n# Oil the gate\n\nIt squeaks.\n")
    [item] = items_of(Notes(anyio.Path(tmp_path)))
    assert item == SourceItem("gate.md", "Oil the gate", description="It squeaks.")


def test_a_folder_must_be_named() -> None:
    """In one line, for whoever configures it."""
    with pytest.raises(ConfigError, match="source `notes` needs"):
        from_config({"directory": "notes"})
