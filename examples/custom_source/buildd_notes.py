"""Each Markdown file of a folder is a task: its first heading the title, the rest the description.

A file is known by its name, so a note that is edited changes its task, and one that is renamed is a
new one. Move what is done with into a folder below: only files of the folder itself are looked at.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import anyio
from pydantic import JsonValue

from buildd.errors import ConfigError, Unavailable
from buildd.plugins import hookimpl
from buildd.plugins.hookspecs import RegisterSource
from buildd.roles import SourceItem

TITLE_LENGTH = 500


@hookimpl
def register_sources(register: RegisterSource) -> None:
    """`notes`: the Markdown files of a folder."""
    register("notes", from_config)


def from_config(config: Mapping[str, JsonValue]) -> Notes:
    """Made of `directory`, where the notes are."""
    directory = config.get("directory")
    if not isinstance(directory, str) or not Path(directory).is_absolute():
        raise ConfigError('the source `notes` needs {"directory": "/where/notes/are"}')
    return Notes(anyio.Path(directory))


class Notes:
    """The notes of one folder."""

    def __init__(self, directory: anyio.Path) -> None:
        self._directory = directory

    async def items(self) -> AsyncIterator[SourceItem]:
        """Every note, by its file's name."""
        try:
            files = sorted([path async for path in self._directory.iterdir()])
            for path in files:
                if path.suffix == ".md":
                    yield _item(path.name, await path.read_text("utf-8", errors="replace"))
        except OSError as problem:
            # The folder may be on a disk that comes back.
            raise Unavailable(f"{problem.filename}: {problem.strerror}") from None


def _item(name: str, text: str) -> SourceItem:
    first, _, rest = text.strip().partition("\n")
    title = first.lstrip("#").strip() or name
    return SourceItem(name, title[:TITLE_LENGTH], description=rest.strip() or None)
