"""How lists are paged: newest first, and the last id seen is the cursor."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from buildd.models._model import Id

MAX_PAGE = 200


class Paged(BaseModel):
    """The two fields that every list takes."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50
    cursor: Id | None = None
    """The last id of the page before: what follows is older."""
