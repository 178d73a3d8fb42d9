"""What was spent."""

from __future__ import annotations

from buildd.models._model import Count, Day, Id, Model, Usd


class Spend(Model):
    """What was spent on a day, by an account, in a workspace, for a task: as far as it was asked apart."""

    day: Day | None = None
    """The UTC day on which it was reported."""
    account_id: Id | None = None
    workspace_id: Id | None = None
    task_id: Id | None = None
    cost_usd: Usd
    attempts: Count
    """How many attempts reported a cost."""
