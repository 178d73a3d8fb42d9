"""What was spent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from buildd.models import Spend
from buildd.models._model import Day, Id
from buildd.operations._operation import Access, Operation, get
from buildd.operations._paging import Digits, Separated

MAX_ROWS = 1000

Part = Literal["day", "account", "workspace", "task"]


class ListSpend(Operation[list[Spend]]):
    """What was spent in the workspaces the caller may see, summed up for each day unless `by` says other.

    `since` and `until` are UTC days and count themselves; without them it is the last 30 days. `by` is
    what to tell apart, separated by commas; with nothing in it, the answer is one sum. The newest day
    comes first, and within it what cost most. Sums have no cursor: ask for fewer days if there are more
    than `limit`.
    """

    http = get("/api/spend")
    access = Access.MEMBER
    since: Day | None = None
    until: Day | None = None
    by: Annotated[list[Part], *Separated, Field(max_length=4)] = ["day"]
    workspace_id: Id | None = None
    account_id: Id | None = None
    task_id: Id | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_ROWS), Digits] = 200
