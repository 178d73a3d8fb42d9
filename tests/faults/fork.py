"""Functions run in a child process that may die at any moment; what it said until then is kept.

The parent must never have opened a broker, which refuses to be carried over a fork. Forking spares
the start of Python and all its imports, a second for each of thousands of deaths.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

KILLED = 137

Say = Callable[[Any], None]


@dataclass(frozen=True)
class Life:
    """How a child ended, and what it said."""

    code: int
    said: list[Any]


def live(work: Callable[[Say], None]) -> Life:
    """Run `work` in a child until it returns, raises or dies."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be(work, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = _all(pipe)
    _, status = os.waitpid(child, 0)
    return Life(os.waitstatus_to_exitcode(status), said)


def _be(work: Callable[[Say], None], writing: int) -> None:
    def say(thing: Any) -> None:
        os.write(writing, pickle.dumps(thing))

    code = 1
    try:
        work(say)
        code = 0
    except BaseException:  # noqa: BLE001 - a child must never return into its parent's stack
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
    finally:
        os._exit(code)


def _all(pipe: BinaryIO) -> list[Any]:
    said = []
    while True:
        try:
            said.append(pickle.load(pipe))  # noqa: S301 - our own child wrote it
        except EOFError:
            return said
