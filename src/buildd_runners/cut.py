"""Text and JSON of any size, cut to what a person or a model can take, from the middle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from pydantic import JsonValue

from buildd.text import storable

_NOTE = 100
_DEEPEST = 16
_LARGEST = 2**63


def cut(text: str, limit: int) -> str:
    """The text, or its beginning and its end with a note of how much is missing between them."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def cut_json(value: object, limit: int, depth: int = 0) -> JsonValue:
    """The value with every text cut, and what a database would refuse replaced by its text."""
    match value:
        case str():
            return storable(cut(value, limit), limit + _NOTE)
        case Mapping() if depth < _DEEPEST:
            return {
                storable(str(name), _NOTE): cut_json(inner, limit, depth + 1)
                for name, inner in value.items()
            }
        case Sequence() if depth < _DEEPEST:
            return [cut_json(inner, limit, depth + 1) for inner in value]
        case _:
            return value if _plain(value) else cut_json(str(value), limit)


def _plain(value: object) -> TypeGuard[JsonValue]:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -_LARGEST <= value < _LARGEST
    return value is None
