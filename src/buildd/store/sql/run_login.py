"""A launch with its pool, for a run of GitHub Actions that says it is the launch's."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert as pg_insert

from buildd.store.sql._parts import NOW, locked
from buildd.store.statement import Statement
from buildd.store.tables import launch, pool, single_use_token

# The launch's lock, which its claim and its end take too, decides who comes first.
LOCK_LAUNCH_OF_RUN = locked(
    sa.select(launch, pool.c.runner, pool.c.config, pool.c.server)
    .join(pool, pool.c.id == launch.c.pool_id)
    .where(launch.c.id == bindparam("id")),
    launch,
)
BIND_RUN = Statement(
    sa.update(launch)
    .where(launch.c.id == bindparam("of"))
    .values(
        external_id=bindparam("run", type_=sa.String()),
        realm=bindparam("repository", type_=sa.String()),
        updated_at=NOW,
    )
)
REMEMBER_TOKEN = Statement(pg_insert(single_use_token).on_conflict_do_nothing())
