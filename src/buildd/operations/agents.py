"""Agents: the processes that ask for work."""

from __future__ import annotations

from buildd.models import Agent
from buildd.models._model import Id
from buildd.operations._operation import Access, Operation, get
from buildd.operations._paging import Paged


class ListAgents(Paged, Operation[list[Agent]]):
    """The agents that asked for work within a week: an account's own, or for an administrator all.

    Newest first, by when they were first seen.
    """

    http = get("/api/agents")
    access = Access.MEMBER
    account_id: Id | None = None
