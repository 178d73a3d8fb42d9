"""How lists are paged: newest first, and the last id seen is the cursor."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer

MAX_PAGE = 200


def _digits(value: Any) -> Any:
    # It comes from a query as text, of which pydantic would take "1.0" and "1_0" too.
    if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
        raise ValueError("must be a whole number")
    return value


Digits = BeforeValidator(_digits)
"""Marks a whole number that travels in a query; last, or the schema would lose its bounds."""


class Paged(BaseModel, defer_build=True):
    """The two fields that every list takes."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE), Digits] = 50
    cursor: Annotated[str, Field(pattern=r"^[a-z]+_[0-9a-z]{26}$")] | None = None
    """The last id of the page before: what follows is older."""


def _names(value: Any) -> Any:
    return [each for each in value.split(",") if each] if isinstance(value, str) else value


Separated = BeforeValidator(_names), PlainSerializer(",".join, when_used="json")
"""Marks a list whose values travel in a query separated by commas."""
