"""How a secret is exchanged in peace: the one before holds for a while beside the new one."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

DAY = 86_400


class Overlap(BaseModel, defer_build=True):
    """The field that every exchange of a secret takes."""

    overlap_seconds: Annotated[int, Field(strict=True, ge=0, le=30 * DAY)] = DAY
    """For how long the one before still holds."""
