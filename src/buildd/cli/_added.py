"""The commands that other packages add, as the metadata of what is installed tells them.

`importlib.metadata` tells the same, but to import it takes half as long as all else that
`buildd --help` does.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

GROUP = "buildd.commands"
"""Where other packages (and the server, which the command line may not import) add commands."""


def added() -> dict[str, str]:
    """The name of each command, and where it is: `module:attribute`."""
    # Not by Path, which raises where one may not look.
    if any(place.endswith(".egg") or os.path.isfile(place) for place in sys.path):  # noqa: PTH113
        from importlib.metadata import entry_points  # which looks into archives too

        return {entry.name: entry.value for entry in entry_points(group=GROUP)}
    return dict(pair for directory in _packages() for pair in _commands(directory))


def _packages() -> Iterator[Path]:
    """The metadata of each package; of two that have one name, that which Python would import."""
    seen = set()
    for place in filter(os.path.isdir, sys.path):
        for entry in Path(place).glob("*.*-info"):
            name = re.sub(r"[-_.]+", "-", entry.stem.partition("-")[0]).lower()
            if entry.suffix in {".dist-info", ".egg-info"} and name not in seen:
                seen.add(name)
                yield entry


def _commands(package: Path) -> Iterator[tuple[str, str]]:
    try:
        text = (package / "entry_points.txt").read_text(encoding="utf-8")
    except OSError:  # Most packages add nothing to anything.
        return
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[]")
        elif group == GROUP and "=" in line and not line.startswith("#"):
            name, _, place = line.partition("=")
            yield name.strip(), place.strip()
