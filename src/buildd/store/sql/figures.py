"""What a monitor asks now and then: counts of what is open, each along an index of the open only."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from buildd.models import ReasonCode
from buildd.states import DONE_WITH, HOLDING, OPEN_DELIVERY, OPEN_LAUNCH, DeliveryStatus
from buildd.store.columns import Moment, among
from buildd.store.sql._parts import total
from buildd.store.sql.claims import CLAIMABLE
from buildd.store.statement import Statement
from buildd.store.tables import (
    account,
    agent,
    budget_day,
    delivery,
    event,
    hook,
    launch,
    pool,
    setting,
    task,
    worker,
)

_ZERO: sa.ColumnElement[Any] = sa.literal_column("0")
_OF_THE_TASK = (
    ReasonCode.NOT_PENDING,
    ReasonCode.NOT_READY,
    ReasonCode.NOT_YET,
    ReasonCode.NOT_APPROVED,
)
"""What must hold for a task to be claimable by anybody at all."""

_SINCE = sa.case(
    (task.c.not_before > task.c.created_at, task.c.not_before), else_=task.c.created_at
)
CLAIMABLE_TASKS = Statement(
    sa.select(
        task.c.runner_preference,
        sa.func.count().label("tasks"),
        sa.func.min(_SINCE, type_=Moment()).label("since"),
    )
    .where(*(CLAIMABLE[each] for each in _OF_THE_TASK))
    .group_by(task.c.runner_preference)
)


def _by_status(table: sa.Table, statuses: Any) -> Statement:
    return Statement(
        sa.select(table.c.status, sa.func.count().label("number"))
        .where(among(table.c.status, statuses))
        .group_by(table.c.status)
    )


WORKERS = _by_status(worker, HOLDING)
LAUNCHES = _by_status(launch, OPEN_LAUNCH)
DELIVERIES = _by_status(delivery, OPEN_DELIVERY)
# The index knows both ends of a delivery, so it is asked for both.
FAILED_DELIVERIES = Statement(
    sa.select(sa.func.count().label("number")).where(
        among(delivery.c.status, DONE_WITH),
        delivery.c.ended_at >= bindparam("since", type_=Moment()),
        delivery.c.status == sa.literal_column(f"'{DeliveryStatus.FAILED.value}'"),
    )
)
AGENTS = Statement(
    sa.select(sa.func.count().label("number")).where(
        agent.c.last_seen_at >= bindparam("alive", type_=Moment())
    )
)


def _count_if(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    one = sa.case((condition, sa.literal_column("1")), else_=_ZERO)
    return sa.func.coalesce(sa.func.sum(one), _ZERO, type_=sa.Integer())


POOLS = Statement(
    sa.select(
        sa.func.count().label("enabled"),
        _count_if(pool.c.failures > _ZERO).label("failing"),
        _count_if(pool.c.halted).label("halted"),
    ).where(pool.c.enabled)
)


HOOKS = Statement(
    sa.select(
        _count_if(hook.c.active).label("active"),
        _count_if(sa.and_(hook.c.active, hook.c.failing_since.is_not(None))).label("failing"),
        _count_if(sa.not_(hook.c.active)).label("off"),
    )
)


SPENT = Statement(sa.select(total(account.c.total_cost).label("dollars")))


def _of_today(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    day = bindparam("day", type_=sa.Date())
    of_one = sa.select(column).where(budget_day.c.owner_id == account.c.id, budget_day.c.day == day)
    return total(of_one.correlate(account).scalar_subquery())


# One look per account, because what workspaces have spent is the same money, and days gone are many.
TODAY = Statement(
    sa.select(
        _of_today(budget_day.c.spent).label("spent"),
        _of_today(budget_day.c.reserved).label("reserved"),
    ).select_from(account)
)
NEXT_EVENT = Statement(
    sa.select(event.c.at)
    .where(event.c.seq > bindparam("after", type_=sa.BigInteger))
    .order_by(event.c.seq)
    .limit(1)
)

REVISION = Statement(sa.select(sa.table("alembic_version", sa.column("version_num"))))
FORGET_SETTING = Statement(sa.delete(setting).where(setting.c.name == bindparam("name")))
