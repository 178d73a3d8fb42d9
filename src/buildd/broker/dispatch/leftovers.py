"""What runs on a platform although nobody wants it: found by asking the platform, not our records.

A launch that is over here may live on there: its start was answered too late, or its end was told
too early. Such a one is stopped. What the database has never heard of may be another installation's
on the same platform, so it is only told of, until a person asks for it to be stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

from buildd.broker.dispatch.acts import Acting
from buildd.broker.dispatch.pace import Pace
from buildd.errors import BuilddError
from buildd.models import Leftover
from buildd.roles import ExternalRef, Forgetful, LaunchState, Runner
from buildd.states import OVER
from buildd.store import Row, Transaction
from buildd.store.sql import pools as sql_pools

Look = Callable[[list[str]], Awaitable[dict[str, Row]]]
"""Those launches that the database knows."""

_OVER = (LaunchState.EXITED, LaunchState.GONE)

log = logging.getLogger("buildd.dispatch")


class Leftovers:
    """Compares platforms with the database."""

    def __init__(self, acting: Acting, pace: Pace, look: Look) -> None:
        self._acting = acting
        self._pace = pace
        self._look = look
        self._strangers: set[str] = set()
        self._ended: dict[str, set[str]] = {}
        """By pool what a runner still lists and was seen to have ended, which is for good: a day's
        launches would be a day's calls, each minute."""

    async def sweep(self, pool: Row) -> None:
        """Stop what is over here and lives on there. Raises `BuilddError` if its platform is away."""
        for found in await self._find(pool, pool.swept_at - timedelta(seconds=self._pace.keep)):
            if found.known:
                await self._stop(pool, found)
            elif found.launch_id not in self._strangers:
                self._strangers.add(found.launch_id)
                log.warning(
                    "pool %r: %s (%s) runs there and is of no launch that we know;"
                    " `buildd pools reap` stops it",
                    pool.name,
                    found.launch_id,
                    found.url or found.external_id,
                )

    async def reap(self, pool: Row, *, dry_run: bool) -> list[Leftover]:
        """Stop, or only list, everything that no open launch of ours is for."""
        found = await self._find(pool)
        return found if dry_run else [await self._stop(pool, each) for each in found]

    async def _find(self, pool: Row, old: datetime | None = None) -> list[Leftover]:
        """What lives on; what ended before `old` is let go of."""
        owned = await self._acting.ask(pool, lambda runner: runner.list_owned())
        launches = await self._look([ref.order_id for ref in owned])
        self._ended[pool.id] = self._ended.get(pool.id, set()) & {ref.order_id for ref in owned}
        found = []
        for ref in owned:
            launch = launches.get(ref.order_id)
            if launch is not None and launch.status not in OVER:
                continue
            if await self._lives(pool, ref):
                found.append(_leftover(ref, known=launch is not None))
            elif launch is not None and old is not None and launch.ended_at <= old:
                await self._acting.ask(pool, partial(_forget, ref))
        return found

    async def _lives(self, pool: Row, ref: ExternalRef) -> bool:
        """Also what nobody can see for now does: stopping it then tells what is wrong."""
        ended = self._ended[pool.id]
        if ref.order_id in ended:
            return False
        seen = await self._acting.ask(pool, lambda runner: runner.observe(ref))
        if seen.state is LaunchState.EXITED:
            ended.add(ref.order_id)
        return seen.state not in _OVER

    async def _stop(self, pool: Row, leftover: Leftover) -> Leftover:
        ref = ExternalRef(pool.runner, leftover.launch_id, leftover.external_id, leftover.url)
        try:
            await self._acting.ask(pool, lambda runner: runner.stop(ref, self._pace.grace))
        except BuilddError as problem:
            log.warning(
                "pool %r: %s is over and cannot be stopped: %s", pool.name, ref.order_id, problem
            )
            return leftover.model_copy(update={"detail": problem.message})
        log.warning("pool %r: stopped %s, which nobody wants", pool.name, ref.order_id)
        return leftover.model_copy(update={"stopped": True})


def known(tx: Transaction, launch_ids: list[str]) -> dict[str, Row]:
    """Those launches that the database knows."""
    rows = (tx.first(sql_pools.LAUNCH_BY_ID, id=each) for each in launch_ids)
    return {row.id: row for row in rows if row is not None}


def _leftover(ref: ExternalRef, *, known: bool) -> Leftover:
    return Leftover(
        launch_id=ref.order_id,
        external_id=ref.external_id,
        url=ref.url,
        known=known,
        stopped=False,
    )


async def _forget(ref: ExternalRef, runner: Runner) -> None:
    if isinstance(runner, Forgetful):
        await runner.forget(ref)
