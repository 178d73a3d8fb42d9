"""Rounds: everything that is due now, once. The dispatcher makes them one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

from buildd import operations as ops
from buildd.broker import auditing
from buildd.broker._context import Caller, Context
from buildd.broker.dispatch import plan, turns
from buildd.broker.dispatch.acts import Acting, Means
from buildd.broker.dispatch.leftovers import Leftovers, known
from buildd.broker.dispatch.pace import Pace
from buildd.broker.principals import ADMIN
from buildd.budget import budget_day
from buildd.errors import AlreadyExists, BuilddError, NotFound
from buildd.models import Leftover, PoolCheck
from buildd.routing import AccountType
from buildd.store import Row, Store, Transaction
from buildd.store.sql import accounts as sql_accounts
from buildd.store.sql import launches as sql
from buildd.store.sql import pools as sql_pools

T = TypeVar("T")

_AT_ONCE = 16
"""Calls that one pool's platform gets at once; a slow one makes nobody else wait."""
_OURSELVES = Caller(ADMIN)

log = logging.getLogger("buildd.dispatch")


class Rounds:
    """Looks, writes down, and has the turns taken in a task group of the caller's."""

    def __init__(
        self, store: Store, context: Callable[[Transaction], Context], means: Means, pace: Pace
    ) -> None:
        self._store = store
        self._context = context
        self._means = means
        self._pace = pace
        self._acting = Acting(means, pace)
        self._leftovers = Leftovers(self._acting, pace, self._launches)
        self._limits: dict[str, anyio.CapacityLimiter] = {}
        self._taken: set[str] = set()
        """The launches whose turn it is, and the pools that are swept."""

    async def go(self, tasks: TaskGroup) -> None:
        """Make a round; what it begins goes on in the task group."""
        if await self._read(lambda tx: tx.first(sql.HAS_POOLS)) is None:
            return
        await self._call_off()
        while await self._fulfil():
            pass
        for pool_id in await self._read(self._to_sweep):
            if pool_id not in self._taken:
                self._taken.add(pool_id)
                tasks.start_soon(self._sweep, pool_id)
        for row in await self._read(lambda tx: tx.all(sql.DUE, now=tx.now)):
            if row.id not in self._taken:
                self._taken.add(row.id)
                tasks.start_soon(self._turn, row.id, row.pool_id)

    async def check(self, operation: ops.CheckPool, caller: Caller = _OURSELVES) -> PoolCheck:
        """Ask whether a pool could start anything; if so, it may begin anew."""

        def begin_anew(ctx: Context) -> None:
            ctx.tx.run(sql.BEGIN_ANEW, of=pool.id, now=ctx.tx.now)
            auditing.record(ctx.of(caller), operation, None)

        pool = await self._pool(operation.id)
        account = await self._read(
            lambda tx: tx.first(sql_accounts.ACCOUNT, id=pool.account_id, day=budget_day(tx.now))
        )
        kind = None if account is None else AccountType(account.type)
        try:
            await self._acting.check(pool, kind)
        except BuilddError as problem:
            return PoolCheck(pool_id=pool.id, passed=False, detail=problem.message)
        await self._write(begin_anew)
        return PoolCheck(pool_id=pool.id, passed=True)

    async def reap(self, operation: ops.ReapPool, caller: Caller = _OURSELVES) -> list[Leftover]:
        """Stop, or list, what nobody wants on a pool's platform; that it is to stop is on record first."""
        pool = await self._pool(operation.id)
        if not operation.dry_run:
            await self._write(lambda ctx: auditing.record(ctx.of(caller), operation, None))
        return await self._leftovers.reap(pool, dry_run=operation.dry_run)

    async def _fulfil(self) -> bool:
        """Write down what is wanted; tell whether that was anything."""
        prefer = self._means.prefer
        choices = await self._read(
            lambda tx: plan.choices(tx, self._pace, named=prefer is not None)
        )
        # Here, and not in the database's thread: a plugin is asked.
        wishes = [plan.choose(choice, prefer) for choice in choices]
        # All at once, so that they share a commit.
        written = [
            self._submit(partial(plan.fulfil, wish=wish, pace=self._pace), wish.account_id)
            for wish in wishes
        ]
        return any([await self._told(each) for each in written])

    async def _call_off(self) -> None:
        for row in await self._read(lambda tx: plan.unwanted(tx, self._pace)):
            await self._told(
                self._submit(partial(plan.call_off, launch_id=row.id, pace=self._pace))
            )

    async def _told(self, writing: asyncio.Future[str | None]) -> bool:
        try:
            line = await writing
        except AlreadyExists:
            return False  # another pool, or another server, was first
        if line is not None:
            log.info(line)
        return line is not None

    async def _turn(self, launch_id: str, pool_id: str) -> None:
        limit = self._limits.setdefault(pool_id, anyio.CapacityLimiter(_AT_ONCE))
        try:
            async with limit:
                turn = await self._write(partial(turns.take, launch_id=launch_id, pace=self._pace))
                if turn is not None:
                    await self._act(turn)
        except BuilddError as problem:
            log.warning("launch %s: its turn cannot be written down: %s", launch_id, problem)
        finally:
            self._taken.discard(launch_id)

    async def _act(self, turn: turns.Turn) -> None:
        try:
            outcome = await self._acting.act(turn)
        except anyio.get_cancelled_exc_class():
            # Whatever the call has done will be found again; nobody need wait for the turn's end.
            self._submit(partial(turns.release, turn=turn))
            raise
        line = await self._write(partial(turns.settle, turn=turn, outcome=outcome, pace=self._pace))
        if line is not None:
            log.log(logging.INFO if outcome.problem is None else logging.WARNING, line)

    async def _sweep(self, pool_id: str) -> None:
        def take(ctx: Context) -> Row | None:
            before = self._before(ctx.tx)
            return ctx.tx.first(sql.SWEEP, of=pool_id, now=ctx.tx.now, before=before)

        try:
            pool = await self._write(take)
            if pool is not None:
                await self._leftovers.sweep(pool)
        except BuilddError as problem:
            log.warning("pool %s: cannot look for what is left over: %s", pool_id, problem)
        finally:
            self._taken.discard(pool_id)

    def _to_sweep(self, tx: Transaction) -> list[str]:
        return [row.id for row in tx.all(sql.TO_SWEEP, before=self._before(tx))]

    def _before(self, tx: Transaction) -> datetime:
        return tx.now - timedelta(seconds=self._pace.sweep)

    async def _launches(self, launch_ids: list[str]) -> dict[str, Row]:
        return await self._read(lambda tx: known(tx, launch_ids))

    async def _pool(self, pool_id: str) -> Row:
        pool = await self._read(lambda tx: tx.first(sql_pools.POOL, id=pool_id))
        if pool is None:
            raise NotFound("there is no such pool")
        return pool

    async def _read(self, work: Callable[[Transaction], T]) -> T:
        return await asyncio.wrap_future(self._store.read(work))

    async def _write(self, work: Callable[[Context], T]) -> T:
        return await self._submit(work)

    def _submit(self, work: Callable[[Context], T], order: str = "") -> asyncio.Future[T]:
        writing: Future[T] = self._store.write(lambda tx: work(self._context(tx)), order)
        return asyncio.wrap_future(writing)
