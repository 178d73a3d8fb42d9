"""The audit log: it is only read."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from buildd.models import AuditEntry
from buildd.models._model import Id, Name
from buildd.operations._operation import Access, Operation, get
from buildd.operations._paging import Paged


class ListAuditEntries(Paged, Operation[list[AuditEntry]]):
    """Who did what, newest first."""

    http = get("/api/audit")
    access = Access.ADMIN
    about: Id | None = None
    """An id: of who did it, or of what it was done to."""
    action: Name | None = None
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,15}$")] | None = None
    """The last `seq` of the page before: what follows is older."""
