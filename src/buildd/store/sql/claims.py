"""The claim: one predicate for who may take what, and the money that a claim sets aside."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from buildd.routing import RunnerPreference
from buildd.states import TASK
from buildd.store.columns import Money, among
from buildd.store.sql._parts import NOW, locked, matches, within
from buildd.store.statement import Statement
from buildd.store.tables import account, budget_day, grant, task, workspace

_DAY = bindparam("day", type_=sa.Date())
_AMOUNT = bindparam("amount", type_=Money())
_ESTIMATE = sa.func.coalesce(
    task.c.max_cost, bindparam("estimate", type_=Money()), type_=Money()
)

_MAY_CLAIM = sa.exists().where(
    grant.c.account_id == bindparam("account"),
    grant.c.workspace_id == task.c.workspace_id,
    grant.c.can_claim,
)
_spent = sa.select(budget_day.c.spent + budget_day.c.reserved).where(
    budget_day.c.owner_id == workspace.c.id, budget_day.c.day == _DAY
)
_WORKSPACE_CAP = (
    sa.select(workspace.c.max_cost_per_day)
    .where(workspace.c.id == task.c.workspace_id)
    .scalar_subquery()
)
_WORKSPACE_USED = sa.func.coalesce(_spent.scalar_subquery(), sa.literal_column("0"))
_WORKSPACE_HAS_ROOM = sa.exists().where(
    workspace.c.id == task.c.workspace_id,
    sa.or_(
        workspace.c.max_concurrent_workers.is_(None),
        workspace.c.live_workers < workspace.c.max_concurrent_workers,
    ),
    sa.or_(
        workspace.c.max_cost_per_day.is_(None),
        sa.and_(
            _WORKSPACE_USED < workspace.c.max_cost_per_day,
            _WORKSPACE_USED + _ESTIMATE <= workspace.c.max_cost_per_day,
        ),
    ),
)
_ROUTED_HERE = sa.or_(
    task.c.runner_preference == sa.literal_column(f"'{RunnerPreference.ANY.value}'"),
    task.c.runner_preference == bindparam("account_type"),
)

# Everything that decides is in this WHERE. Whatever is filtered after the LIMIT starves what is
# behind it: fifty unclaimable tasks at the head once hid sixteen good ones for six days.
NEXT_TASK = locked(
    sa.select(task, _WORKSPACE_CAP.label("workspace_cap"))
    .where(
        among(task.c.status, [TASK.initial]),
        task.c.open_dependencies == sa.literal_column("0"),
        sa.or_(task.c.not_before.is_(None), task.c.not_before <= NOW),
        matches(task.c.workspace_id, "workspace"),
        matches(task.c.id, "task"),
        _ROUTED_HERE,
        within(task.c.required_capabilities, "capabilities"),
        _MAY_CLAIM,
        _WORKSPACE_HAS_ROOM,
        _ESTIMATE <= bindparam("room", type_=Money()),
    )
    .order_by(task.c.priority.desc(), task.c.id)
    .limit(1),
    task,
    skip=True,
)

_new_day = insert(budget_day)
SPEND_ON_DAY = Statement(
    _new_day.on_conflict_do_update(
        index_elements=["owner_id", "day"],
        set_={"spent": budget_day.c.spent + _new_day.excluded.spent},
    )
)
FREE_ON_DAY = Statement(
    sa.update(budget_day)
    .where(budget_day.c.owner_id == bindparam("owner"), budget_day.c.day == _DAY)
    .values(reserved=budget_day.c.reserved - _AMOUNT)
)
# As with slots, the cap is in the UPDATE; None is no cap.
RESERVE_ON_DAY = Statement(
    sa.update(budget_day)
    .where(
        budget_day.c.owner_id == bindparam("owner"),
        budget_day.c.day == _DAY,
        sa.or_(
            bindparam("cap", type_=Money()).is_(None),
            sa.and_(
                budget_day.c.spent + budget_day.c.reserved < bindparam("cap", type_=Money()),
                budget_day.c.spent + budget_day.c.reserved + _AMOUNT
                <= bindparam("cap", type_=Money()),
            ),
        ),
    )
    .values(reserved=budget_day.c.reserved + _AMOUNT)
)
BOOK_TOTAL = Statement(
    sa.update(account)
    .where(account.c.id == bindparam("of"))
    .values(total_cost=account.c.total_cost + _AMOUNT)
)
