"""Tasks and pools as plugins see them."""

from __future__ import annotations

from datetime import UTC, datetime

from buildd.models import Pool, Task
from buildd.states import TaskStatus

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)


def task(priority: int = 0) -> Task:
    return Task(
        id="task_1",
        workspace_id="ws_1",
        title="Mend the roof",
        status=TaskStatus.PENDING,
        priority=priority,
        created_at=NOW,
        updated_at=NOW,
    )


def pool(name: str, runner: str = "local") -> Pool:
    return Pool(
        id=f"pool_{name}",
        account_id="acc_1",
        name=name,
        runner=runner,
        created_at=NOW,
        updated_at=NOW,
    )
