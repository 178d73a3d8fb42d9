"""Accounts, keys and grants."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert as pg_insert

from buildd.store.columns import Moment
from buildd.store.sql._parts import (
    NOW,
    RESERVED_TODAY,
    SPENT_TODAY,
    change,
    locked,
    matches,
    of_today,
    optional,
    page,
    upsert,
    with_today,
)
from buildd.store.statement import Statement
from buildd.store.tables import (
    account,
    agent,
    api_key,
    budget_day,
    grant,
    launch,
    lease,
    setting,
    worker,
)

_ZERO: sa.ColumnElement[Any] = sa.literal_column("0")

_ACCOUNTS = with_today(
    sa.select(
        account,
        SPENT_TODAY,
        RESERVED_TODAY,
        of_today(budget_day.c.spent + budget_day.c.reserved).label("used_today"),
    ),
    account,
).where(account.c.deleted_at.is_(None))

INSERT_ACCOUNT = Statement(sa.insert(account))
ACCOUNT = Statement(_ACCOUNTS.where(account.c.id == bindparam("id")))
ACCOUNT_STANDS = Statement(
    sa.select(account.c.id).where(account.c.id == bindparam("id"), account.c.deleted_at.is_(None))
)
LOCK_ACCOUNT = locked(_ACCOUNTS.where(account.c.id == bindparam("id")), account)
ACCOUNTS = page(_ACCOUNTS, account.c.id)
CHANGE_ACCOUNT = change(
    account,
    (
        "name",
        "github_id",
        "max_concurrent_workers",
        "max_cost_per_day",
        "max_cost_per_task",
        "max_tasks_per_run",
        "max_cost_per_run",
        "updated_at",
    ),
)
SET_DRAINING = Statement(
    sa.update(account)
    .where(account.c.id == bindparam("of"), account.c.deleted_at.is_(None))
    .returning(account.c.id),
    ("draining",),
)
# An account stays as a name in the history of what it did, so it is hidden rather than deleted.
HIDE_ACCOUNT = Statement(
    sa.update(account)
    .where(account.c.id == bindparam("of"), account.c.live_workers == 0)
    .values(deleted_at=NOW)
    .returning(account.c.id)
)

INSERT_KEY = Statement(sa.insert(api_key))
# An administrator's key has no owner. This is `IS` on SQLite, and `IS NOT DISTINCT FROM` on Postgres.
_OWNED = api_key.c.account_id.is_not_distinct_from(optional("owner"))
KEYS = page(sa.select(api_key).where(_OWNED), api_key.c.id)
OWNED_KEY = locked(sa.select(api_key).where(api_key.c.id == bindparam("id"), _OWNED), api_key)
REPLACE_KEY = change(api_key, ("replaced_by", "expires_at"))
REVOKE_KEY = Statement(
    sa.update(api_key)
    .where(api_key.c.id == bindparam("of"), _OWNED)
    .values(revoked_at=sa.func.coalesce(api_key.c.revoked_at, NOW, type_=Moment()))
    .returning(*api_key.c)
)
REVOKE_ALL_KEYS = Statement(
    sa.update(api_key)
    .where(api_key.c.account_id == bindparam("owner"), api_key.c.revoked_at.is_(None))
    .values(revoked_at=NOW)
)
KEY_BY_DIGEST = Statement(
    sa.select(api_key, account.c.type, launch.c.id.label("launch_id"))
    .outerjoin(account, account.c.id == api_key.c.account_id)
    .outerjoin(launch, launch.c.key_id == api_key.c.id)
    .where(api_key.c.digest == bindparam("digest"))
)
KEY = Statement(sa.select(api_key).where(api_key.c.id == bindparam("id")))
KEY_USED = Statement(
    sa.update(api_key)
    .where(
        api_key.c.id == bindparam("of"),
        sa.or_(
            api_key.c.last_used_at.is_(None),
            api_key.c.last_used_at <= bindparam("before", type_=Moment()),
        ),
    )
    .values(last_used_at=NOW)
)
# One that has expired counts: time alone must not open a server to whoever needs no key.
ADMIN_KEY = Statement(
    sa.select(api_key.c.id)
    .where(api_key.c.account_id.is_(None), api_key.c.revoked_at.is_(None))
    .limit(1)
)
LEASE_BY_DIGEST = Statement(
    sa.select(
        lease.c.epoch,
        worker.c.id.label("worker_id"),
        worker.c.task_id,
        worker.c.workspace_id,
        worker.c.account_id,
    )
    .join(worker, worker.c.id == lease.c.worker_id)
    .where(lease.c.digest == bindparam("digest"))
)

GRANT = Statement(
    sa.select(grant).where(
        grant.c.account_id == bindparam("account"), grant.c.workspace_id == bindparam("workspace")
    )
)
GRANTS = Statement(
    sa.select(grant)
    .where(grant.c.account_id == bindparam("account"))
    .order_by(grant.c.workspace_id.desc())
)
PUT_GRANT = upsert(grant, ("account_id", "workspace_id"), ("can_claim", "can_create"))
DELETE_GRANT = Statement(
    sa.delete(grant).where(
        grant.c.account_id == bindparam("account"), grant.c.workspace_id == bindparam("workspace")
    )
)
_USED_TODAY = sa.select(budget_day.c.spent + budget_day.c.reserved).where(
    budget_day.c.owner_id == bindparam("account"),
    budget_day.c.day == bindparam("day", type_=sa.Date()),
)
# With what is used by now: whoever waited for the account's lock was told what was used before.
CLAIM_GRANT = Statement(
    sa.select(
        grant.c.workspace_id,
        sa.func.coalesce(_USED_TODAY.scalar_subquery(), _ZERO, type_=budget_day.c.spent.type).label(
            "used_today"
        ),
    )
    .where(
        grant.c.account_id == bindparam("account"),
        grant.c.can_claim,
        matches(grant.c.workspace_id, "workspace"),
    )
    .limit(1)
)

SEE_AGENT = upsert(
    agent,
    ("account_id", "agent_id"),
    ("workspace_id", "capabilities", "free_slots", "runner", "draining", "last_seen_at"),
)
AGENTS = page(
    sa.select(agent).where(
        matches(agent.c.account_id, "viewer"), matches(agent.c.account_id, "account")
    ),
    agent.c.id,
)
FORGET_AGENTS = Statement(
    sa.delete(agent).where(agent.c.last_seen_at < bindparam("before", type_=Moment()))
)

SETTING = Statement(sa.select(setting.c.value).where(setting.c.name == bindparam("name")))
PUT_SETTING_ONCE = Statement(pg_insert(setting).on_conflict_do_nothing())
# A compare-and-set, so that of several servers exactly one does what goes with the new value.
CHANGE_SETTING = Statement(
    sa.update(setting)
    .where(setting.c.name == bindparam("of"), setting.c.value == optional("was"))
    .returning(setting.c.name),
    ("value",),
)
