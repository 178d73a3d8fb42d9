"""The claim: one predicate for who may take what, and the money that a claim sets aside."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from buildd.models import ReasonCode
from buildd.routing import AccountType, RunnerPreference, Trust
from buildd.states import LIVE, OPEN_LAUNCH, TASK, WANTED
from buildd.store.columns import JSON, Moment, Money, among
from buildd.store.sql._parts import NOW, locked, matches, within
from buildd.store.statement import Statement
from buildd.store.tables import (
    account,
    agent,
    budget_day,
    grant,
    launch,
    ledger,
    pool,
    task,
    worker,
    workspace,
)

_ZERO: sa.ColumnElement[Any] = sa.literal_column("0")
_DAY = bindparam("day", type_=sa.Date())
_AMOUNT = bindparam("amount", type_=Money())
_CAP = bindparam("cap", type_=Money())

_LEFT = sa.case((task.c.max_cost > task.c.cost_usd, task.c.max_cost - task.c.cost_usd), else_=_ZERO)
ESTIMATE = sa.case(
    (task.c.max_cost.is_not(None), _LEFT),
    else_=sa.func.coalesce(account.c.max_cost_per_task, _ZERO),
)
"""What an attempt sets aside: what is left of the task's limit, else the account's, else nothing."""


def _used_today(owner: sa.ColumnElement[str]) -> sa.ColumnElement[Any]:
    used = sa.select(budget_day.c.spent + budget_day.c.reserved).where(
        budget_day.c.owner_id == owner, budget_day.c.day == _DAY
    )
    return sa.func.coalesce(used.scalar_subquery(), _ZERO, type_=Money())


def _affords(owner: sa.Table) -> sa.ColumnElement[bool]:
    used, cap = _used_today(owner.c.id), owner.c.max_cost_per_day
    return sa.and_(used < cap, used + ESTIMATE <= cap)


_COMMON: dict[ReasonCode, sa.ColumnElement[bool]] = {
    ReasonCode.NOT_PENDING: among(task.c.status, [TASK.initial]),
    ReasonCode.NOT_READY: task.c.open_dependencies == _ZERO,
    ReasonCode.NOT_YET: sa.or_(task.c.not_before.is_(None), task.c.not_before <= NOW),
    ReasonCode.NOT_APPROVED: sa.or_(
        task.c.trust != sa.literal_column(f"'{Trust.PUBLIC.value}'"),
        task.c.approved_at.is_not(None),
    ),
    ReasonCode.NO_GRANT: sa.exists().where(
        grant.c.account_id == account.c.id,
        grant.c.workspace_id == task.c.workspace_id,
        grant.c.can_claim,
    ),
    ReasonCode.WRONG_ROUTE: sa.or_(
        task.c.runner_preference == sa.literal_column(f"'{RunnerPreference.ANY.value}'"),
        task.c.runner_preference == account.c.type,
    ),
    ReasonCode.DRAINING: sa.not_(account.c.draining),
    ReasonCode.NO_SLOT: account.c.live_workers < account.c.max_concurrent_workers,
    ReasonCode.NO_WORKSPACE_SLOT: sa.or_(
        workspace.c.max_concurrent_workers.is_(None),
        workspace.c.live_workers < workspace.c.max_concurrent_workers,
    ),
    ReasonCode.NO_BUDGET: _affords(account),
    ReasonCode.NO_WORKSPACE_BUDGET: sa.or_(
        workspace.c.max_cost_per_day.is_(None), _affords(workspace)
    ),
}
"""What must hold for an account to take a task, each under the reason that is given when it does not."""

_OFFERED = within(task.c.required_capabilities, bindparam("capabilities", type_=JSON))
# An agent that has all the work it can do does not claim.
_WORKS = sa.exists().where(
    worker.c.account_id == agent.c.account_id,
    worker.c.agent_id == agent.c.agent_id,
    among(worker.c.status, LIVE),
)
_OFFERED_BY_ANY = sa.or_(
    within(task.c.required_capabilities, sa.cast(sa.literal_column("'[]'"), JSON)),
    sa.exists().where(
        agent.c.account_id == account.c.id,
        within(task.c.required_capabilities, agent.c.capabilities),
        sa.or_(agent.c.last_seen_at >= bindparam("alive", type_=Moment()), _WORKS),
    ),
)

CLAIMABLE = {**_COMMON, ReasonCode.MISSING_CAPABILITIES: _OFFERED}
"""The predicate as a claim asks it, for the capabilities of the agent that claims."""
EXPLAINED = {**_COMMON, ReasonCode.MISSING_CAPABILITIES: _OFFERED_BY_ANY}
"""The same as `why` asks it, for the agents of an account that are alive."""

RUN = Statement(
    sa.select(
        sa.func.count().label("tasks"),
        sa.func.coalesce(
            sa.func.sum(worker.c.cost_usd + worker.c.reserved), _ZERO, type_=Money()
        ).label("used"),
    ).where(worker.c.account_id == bindparam("account"), worker.c.run_id == bindparam("run"))
)

_PAIRS = task.join(workspace, workspace.c.id == task.c.workspace_id).join(account, sa.true())

# Agents of an `action` account run in Actions only. The first that claims a task, though its key
# names no launch, is the run that the task's launch has started.
_ITS_LAUNCH = (
    sa.select(launch.c.id)
    .where(
        account.c.type == sa.literal_column(f"'{AccountType.ACTION.value}'"),
        launch.c.task_id == task.c.id,
        launch.c.account_id == account.c.id,
        launch.c.worker_id.is_(None),
        among(launch.c.status, WANTED),
    )
    .scalar_subquery()
)

# Everything that decides is in this WHERE. Whatever is filtered after the LIMIT starves what is
# behind it: fifty unclaimable tasks at the head once hid sixteen good ones for six days.
_NEXT = (
    sa.select(
        task,
        sa.type_coerce(ESTIMATE, Money()).label("estimate"),
        account.c.live_workers.label("account_live"),
        account.c.max_concurrent_workers.label("account_slots"),
        account.c.max_cost_per_day.label("account_cap"),
        _used_today(account.c.id).label("account_used"),
        workspace.c.live_workers.label("workspace_live"),
        workspace.c.max_concurrent_workers.label("workspace_slots"),
        workspace.c.max_cost_per_day.label("workspace_cap"),
        _used_today(workspace.c.id).label("workspace_used"),
        _ITS_LAUNCH.label("launch_id"),
    )
    .select_from(_PAIRS)
    .where(
        account.c.id == bindparam("account"),
        matches(task.c.workspace_id, "workspace"),
        *CLAIMABLE.values(),
    )
    .order_by(task.c.priority.desc(), task.c.id)
    .limit(bindparam("limit", type_=sa.Integer()))
)
# In the order of the index of claimable tasks the first that fit are the ones. SQLite would rather
# collect all that are pending, and sort them.
NEXT_TASKS = locked(_NEXT.with_hint(task, "INDEXED BY task_claimable", "sqlite"), task, skip=True)
NAMED_TASK = locked(_NEXT.where(task.c.id == bindparam("task")), task, skip=True)

_FIGURES = (
    account.c.id.label("account_id"),
    account.c.name,
    account.c.type,
    account.c.live_workers,
    account.c.max_concurrent_workers,
    account.c.max_cost_per_day,
    _used_today(account.c.id).label("used_today"),
    workspace.c.live_workers.label("workspace_live"),
    workspace.c.max_concurrent_workers.label("workspace_slots"),
    workspace.c.max_cost_per_day.label("workspace_cap"),
    _used_today(workspace.c.id).label("workspace_used"),
)


def _explain(conditions: dict[ReasonCode, sa.ColumnElement[bool]]) -> Statement:
    return Statement(
        sa.select(*_FIGURES, *(met.label(code.value) for code, met in conditions.items()))
        .select_from(_PAIRS)
        .where(
            task.c.id == bindparam("task"),
            account.c.deleted_at.is_(None),
            matches(account.c.id, "account"),
        )
        .order_by(account.c.id)
    )


WHY_NOT_ME = _explain(CLAIMABLE)
WHY = _explain(EXPLAINED)

_others = sa.or_(launch.c.task_id.is_(None), launch.c.task_id != task.c.id)


def _launches(*which: sa.ColumnElement[bool]) -> sa.ScalarSelect[Any]:
    open_ = among(launch.c.status, OPEN_LAUNCH)
    return sa.select(sa.func.count()).where(open_, _others, *which).scalar_subquery()


# What is on its way to work will need a slot too.
_engaged = account.c.live_workers + _launches(
    launch.c.account_id == account.c.id, launch.c.worker_id.is_(None)
)
_in_pool = _launches(launch.c.pool_id == pool.c.id)
LAUNCHED = {
    **_COMMON,
    ReasonCode.NO_SLOT: _engaged < account.c.max_concurrent_workers,
    ReasonCode.MISSING_CAPABILITIES: within(task.c.required_capabilities, pool.c.capabilities),
    ReasonCode.POOL_DISABLED: pool.c.enabled,
    ReasonCode.POOL_HALTED: sa.not_(pool.c.halted),
    ReasonCode.POOL_WAITS: sa.or_(pool.c.retry_at.is_(None), pool.c.retry_at <= NOW),
    ReasonCode.POOL_FULL: _in_pool < pool.c.maximum,
}
"""The same for a pool that could start an agent for a task."""

WHY_POOLS = Statement(
    sa.select(
        *(column for column in _FIGURES if column.key not in {"name", "live_workers"}),
        _engaged.label("live_workers"),
        _in_pool.label("launches"),
        *(pool.c[name] for name in ("id", "name", "runner", "maximum", "retry_at", "last_error")),
        *(met.label(code.value) for code, met in LAUNCHED.items()),
    )
    .select_from(_PAIRS.join(pool, pool.c.account_id == account.c.id))
    .where(
        task.c.id == bindparam("task"),
        account.c.deleted_at.is_(None),
        matches(account.c.id, "account"),
        sa.or_(pool.c.workspace_id.is_(None), pool.c.workspace_id == task.c.workspace_id),
    )
    .order_by(pool.c.id)
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
# As with slots, the cap is in the UPDATE, and no row means that it is over; None is no cap.
RESERVE_ON_DAY = Statement(
    sa.update(budget_day)
    .where(
        budget_day.c.owner_id == bindparam("owner"),
        budget_day.c.day == _DAY,
        sa.or_(
            _CAP.is_(None),
            sa.and_(
                budget_day.c.spent + budget_day.c.reserved < _CAP,
                budget_day.c.spent + budget_day.c.reserved + _AMOUNT <= _CAP,
            ),
        ),
    )
    .values(reserved=budget_day.c.reserved + _AMOUNT)
    .returning(budget_day.c.owner_id)
)
BOOK_ON_TASK = Statement(
    sa.update(task).where(task.c.id == bindparam("of")).values(cost_usd=task.c.cost_usd + _AMOUNT)
)
USED_TODAY = Statement(
    sa.select(
        sa.type_coerce(budget_day.c.spent + budget_day.c.reserved, Money()).label("used")
    ).where(budget_day.c.owner_id == bindparam("owner"), budget_day.c.day == _DAY)
)
INSERT_LEDGER = Statement(sa.insert(ledger))
BOOK_TOTAL = Statement(
    sa.update(account)
    .where(account.c.id == bindparam("of"))
    .values(total_cost=account.c.total_cost + _AMOUNT)
)
