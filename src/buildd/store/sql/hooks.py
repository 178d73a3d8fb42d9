"""Hooks: kept, and what is known of how they do."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from buildd.store.sql._parts import NOW, change, locked, matches, optional, page
from buildd.store.statement import Statement
from buildd.store.tables import hook

INSERT_HOOK = Statement(sa.insert(hook))
HOOK = Statement(sa.select(hook).where(hook.c.id == bindparam("id")))
LOCK_HOOK = locked(sa.select(hook).where(hook.c.id == bindparam("id")), hook)
HOOKS = page(sa.select(hook).where(matches(hook.c.workspace_id, "workspace")), hook.c.id)
CHANGE_HOOK = change(
    hook,
    (
        "url",
        "types",
        "active",
        "disabled_reason",
        "failing_since",
        "last_error",
        "since_seq",
        "updated_at",
    ),
)
ROTATE = change(hook, ("generation", "overlap_until", "updated_at"))
DELETE_HOOK = Statement(sa.delete(hook).where(hook.c.id == bindparam("of")))

ACTIVE = Statement(sa.select(hook).where(hook.c.active))
SINCE = Statement(sa.select(sa.func.min(hook.c.since_seq).label("seq")).where(hook.c.active))

# Written when it changes something only: not once for each delivery.
WORKS_AGAIN = Statement(
    sa.update(hook)
    .where(hook.c.id == bindparam("of"), hook.c.failing_since.is_not(None))
    .values(failing_since=sa.null(), last_error=sa.null(), updated_at=NOW)
)
FAILS = Statement(
    sa.update(hook)
    .where(hook.c.id == bindparam("of"), hook.c.active)
    .values(
        failing_since=sa.func.coalesce(hook.c.failing_since, NOW),
        last_error=optional("because"),
        updated_at=NOW,
    )
    .returning(hook.c.failing_since)
)
DISABLE = Statement(
    sa.update(hook)
    .where(hook.c.id == bindparam("of"), hook.c.active)
    .values(active=False, disabled_reason=optional("because"), updated_at=NOW)
    .returning(hook.c.id)
)
