"""Tasks: read, created, moved, and released when what they wait for is done."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from buildd.routing import Trust
from buildd.states import CLOSED, HOLDING, TASK, TaskVerb
from buildd.store.columns import JSON, Moment, among
from buildd.store.sql._parts import NOW, change, holds, listed, locked, optional, page, seen
from buildd.store.statement import Statement
from buildd.store.tables import dependency, task, worker

PRUNE_AT_ONCE = 100

_TASKS = sa.select(task, worker.c.lease_expires_at.label("expires_at")).outerjoin(
    worker, worker.c.id == task.c.worker_id
)

_UNAPPROVED = sa.and_(
    among(task.c.status, [TASK.initial]),
    task.c.trust == sa.literal_column(f"'{Trust.PUBLIC.value}'"),
    task.c.approved_at.is_(None),
)
_FILTERS: dict[str, sa.ColumnElement[bool]] = {
    "workspace": task.c.workspace_id == optional("workspace"),
    "source": task.c.source_id == optional("source"),
    "status": task.c.status == optional("status"),
    "preference": task.c.runner_preference == optional("preference"),
    "claimed_by": task.c.claimed_by == optional("claimed_by"),
    "text": sa.or_(
        task.c.id == optional("text"),
        task.c.external_id == optional("text"),
        holds(task.c.title, optional("text")),
    ),
    "ids": listed(task.c.id, bindparam("ids", type_=JSON)),
    "unapproved": _UNAPPROVED,
    "approved": sa.not_(_UNAPPROVED),
}


def _chosen(filters: frozenset[str]) -> list[sa.ColumnElement[bool]]:
    """Only the filters that are given: one statement for any of them would find no index."""
    return [_FILTERS[name] for name in sorted(filters)]


@cache
def tasks(filters: frozenset[str]) -> Statement:
    """A page of the tasks that pass these filters."""
    return page(_TASKS.where(seen(task.c.workspace_id), *_chosen(filters)), task.c.id)


@cache
def task_counts(filters: frozenset[str]) -> Statement:
    """How many of them there are in each state."""
    return Statement(
        sa.select(task.c.status, sa.func.count().label("number"))
        .where(seen(task.c.workspace_id), *_chosen(filters))
        .group_by(task.c.status)
    )


@cache
def people_wanted(filters: frozenset[str]) -> Statement:
    """How many of them wait for approval, and how many workers at them for an answer."""
    chosen = (seen(task.c.workspace_id), *_chosen(filters))
    unapproved = sa.select(sa.func.count()).select_from(task).where(_UNAPPROVED, *chosen)
    asking = (
        sa.select(sa.func.count())
        .select_from(worker.join(task, task.c.id == worker.c.task_id))
        .where(among(worker.c.status, HOLDING), worker.c.waiting_for.is_not(None), *chosen)
    )
    return Statement(
        sa.select(
            unapproved.scalar_subquery().label("needs_approval"),
            asking.scalar_subquery().label("waiting_input"),
        )
    )


INSERT_TASK = Statement(sa.insert(task))
TASK_SEEN = Statement(_TASKS.where(task.c.id == bindparam("id"), seen(task.c.workspace_id)))
LOCK_TASK = locked(_TASKS.where(task.c.id == bindparam("id"), seen(task.c.workspace_id)), task)
CHANGE_TASK = change(
    task,
    (
        "title",
        "description",
        "context",
        "external_url",
        "priority",
        "runner_preference",
        "required_capabilities",
        "not_before",
        "max_attempts",
        "max_cost",
        "timeout_seconds",
        "trust",
        "approved_at",
        "approved_by",
        "updated_at",
    ),
)
DELETE_TASK = Statement(
    sa.delete(task)
    .where(task.c.id == bindparam("of"), task.c.worker_id.is_(None))
    .returning(task.c.id)
)

INSERT_DEPENDENCY = Statement(sa.insert(dependency))
LOCK_PARENT = locked(
    sa.select(task.c.id, task.c.status).where(
        task.c.id == bindparam("id"), task.c.workspace_id == bindparam("workspace")
    ),
    task,
)
_CHILDREN = sa.select(dependency.c.child_id).where(dependency.c.parent_id == optional("parent"))
CHILDREN = Statement(
    sa.select(task.c.id, task.c.status).where(task.c.id.in_(_CHILDREN)).order_by(task.c.id)
)
WAITED_FOR = Statement(
    sa.select(task.c.id, task.c.status)
    .join(dependency, dependency.c.parent_id == task.c.id)
    .where(dependency.c.child_id == optional("child"), sa.not_(dependency.c.done))
    .order_by(task.c.id)
)
# A counter on the child, changed under the child's own row lock: asking "is any parent still open?"
# leaves a child stranded when two parents finish at the same time. Each parent counts once, however
# often it ends.
DEPENDENCY_DONE = Statement(
    sa.update(dependency)
    .where(
        dependency.c.parent_id == bindparam("parent"),
        dependency.c.child_id == bindparam("child"),
        sa.not_(dependency.c.done),
    )
    .values(done=True)
)
PARENT_DONE = Statement(
    sa.update(task)
    .where(task.c.id == bindparam("of"))
    .values(open_dependencies=task.c.open_dependencies - 1, updated_at=NOW)
    .returning(*task.c)
)


def _move(verb: TaskVerb, **values: Any) -> Statement:
    step = TASK.step(verb)
    return Statement(
        sa.update(task)
        .where(task.c.id == bindparam("of"), among(task.c.status, step.sources))
        .values(status=sa.literal_column(f"'{step.target.value}'"), updated_at=NOW, **values)
        .returning(*task.c)
    )


_FREE = {"worker_id": sa.null()}
_UNCLAIMED = {"claimed_by": sa.null(), "claimed_at": sa.null(), **_FREE}

MOVE_TASK: dict[TaskVerb, Statement] = {
    TaskVerb.CLAIM: _move(
        TaskVerb.CLAIM,
        epoch=task.c.epoch + 1,
        attempt=task.c.attempt + 1,
        worker_id=bindparam("worker"),
        claimed_by=bindparam("account"),
        claimed_at=NOW,
    ),
    TaskVerb.RUN: _move(TaskVerb.RUN),
    TaskVerb.HOLD: _move(TaskVerb.HOLD),
    TaskVerb.COMPLETE: _move(
        TaskVerb.COMPLETE,
        result=bindparam("outcome", type_=JSON),
        error=sa.null(),
        **_FREE,
    ),
    TaskVerb.FAIL: _move(TaskVerb.FAIL, error=optional("reason"), **_FREE),
    TaskVerb.REQUEUE: _move(
        TaskVerb.REQUEUE,
        error=optional("reason"),
        attempt=task.c.attempt - bindparam("refund", type_=sa.Integer()),
        not_before=bindparam("retry_at", type_=Moment()),
        **_UNCLAIMED,
    ),
    TaskVerb.CANCEL: _move(TaskVerb.CANCEL, **_FREE),
    TaskVerb.RETRY: _move(
        TaskVerb.RETRY,
        attempt=0,
        error=sa.null(),
        result=sa.null(),
        not_before=sa.null(),
        **_UNCLAIMED,
    ),
}
"""Each step of the task's machine as the guarded UPDATE that takes it; no row means: wrong state."""

# A resumed worker gets a fresh epoch from its task, where epochs only grow.
RAISE_EPOCH = Statement(
    sa.update(task)
    .where(task.c.id == bindparam("of"))
    .values(epoch=task.c.epoch + 1)
    .returning(task.c.epoch)
)
TASKS_DUE = Statement(
    sa.select(task.c.id)
    .where(
        among(task.c.status, [TASK.initial]),
        task.c.not_before > bindparam("since", type_=Moment()),
        task.c.not_before <= NOW,
    )
    .limit(1)
)
# A parent that somebody still waits for stays: its child's counter counts it.
PRUNE_TASKS = Statement(
    sa.delete(task).where(
        task.c.id.in_(
            sa.select(task.c.id)
            .where(
                among(task.c.status, CLOSED),
                task.c.updated_at < bindparam("before", type_=Moment()),
                sa.not_(
                    sa.exists().where(
                        dependency.c.parent_id == task.c.id, sa.not_(dependency.c.done)
                    )
                ),
            )
            .order_by(task.c.updated_at)
            .limit(PRUNE_AT_ONCE)
        )
    )
)
