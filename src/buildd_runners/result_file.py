"""The result that a program leaves in a file: a JSON object, read with care, as anybody's file is."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

_MOST = 1_000_000
"""Bytes of a result."""


class NoResult(Exception):
    """The file is there, but it holds no result; says why in one line."""


def read_result(path: Path) -> dict[str, Any]:
    """The object in the file, or an empty one if there is no file. Raises `NoResult`."""
    try:
        # A program may have put anything there: neither a link nor a pipe is followed.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    except OSError as problem:
        raise NoResult(f"$BUILDD_RESULT_FILE cannot be read: {problem.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise NoResult("$BUILDD_RESULT_FILE is not a plain file")
        with open(file, "rb", closefd=False) as source:
            content = source.read(_MOST + 1)
    finally:
        os.close(file)
    if len(content) > _MOST:
        raise NoResult(f"$BUILDD_RESULT_FILE is larger than {_MOST:,} bytes")
    return _object(content)


def _object(content: bytes) -> dict[str, Any]:
    try:
        result = json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError) as problem:
        raise NoResult(f"$BUILDD_RESULT_FILE is not valid JSON: {problem}") from None
    if not isinstance(result, dict):
        raise NoResult("$BUILDD_RESULT_FILE must hold a JSON object")
    return result


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
