"""An attempt's scratch directory, locked while its agent lives: so a killed agent's can be told."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import anyio

from buildd.agent.locks import lock

_POLL = 0.1


@dataclass(frozen=True)
class Scratch:
    """A directory for what must not be committed, which is ours until we remove it or die."""

    path: Path
    lock: int
    """A descriptor of the directory; the kernel lets the lock go with the last one."""

    def remove(self) -> None:
        """Remove it with all that it holds, and let it go."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.let_go()

    def let_go(self) -> None:
        """Leave it as it is to whoever takes it next."""
        os.close(self.lock)


def take(path: Path) -> Scratch | None:
    """Make the directory, or take it over from an agent that is gone; None while it has an owner.

    Raises `OSError`.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    held = lock(path)
    return None if held is None else Scratch(path, held)


def is_taken(path: Path) -> bool:
    """Whether an agent that lives has the directory. Raises `OSError`."""
    held = lock(path)
    if held is None:
        return path.exists()
    os.close(held)
    return False


async def wait_for(path: Path) -> Scratch:
    """Take the directory as soon as its owner, an earlier run of this attempt, has let it go.

    Raises `OSError`.
    """
    while True:
        scratch = take(path)
        if scratch is not None:
            return scratch
        await anyio.sleep(_POLL)
