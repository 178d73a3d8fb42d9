"""Leases of those who only speak when they call a tool: they are renewed in between.

A model that runs tests for ten minutes sends no heartbeat. On standard input and output the process
lives as long as its session, and so do the leases; over HTTP nobody knows whether the other side
still exists, so a lease is kept for a while after its holder was last heard.
"""

from __future__ import annotations

import asyncio

from buildd.client import AsyncClient
from buildd.clock import elapsed
from buildd.errors import BuilddError, RateLimited, Unavailable
from buildd.jitter import between
from buildd.lease import JITTER
from buildd.models import Lease, Order

PATIENCE = 900.0
"""Seconds that a holder may be silent over HTTP: longer than a command in Claude Code may take."""


class Leases:
    """The leases that are kept, by their tokens; `patience` is in seconds, None is for ever."""

    def __init__(self, patience: float | None = None) -> None:
        self._patience = patience
        self._heard: dict[str, float] = {}
        self._keeping: dict[str, asyncio.Task[None]] = {}

    def keep(self, holder: AsyncClient, worker_id: str, token: str, lease: Lease) -> None:
        """Keep a lease that stands, from now on; its holder was heard."""
        self._heard[token] = elapsed()
        if token in self._keeping:
            return
        task = asyncio.create_task(self._renew(holder, worker_id, token, lease))
        self._keeping[token] = task
        task.add_done_callback(lambda _: self._forget(token))

    async def aclose(self) -> None:
        """Keep none any longer. They run out by themselves, so that a session can be taken up."""
        tasks = list(self._keeping.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _renew(self, holder: AsyncClient, worker_id: str, token: str, lease: Lease) -> None:
        """Until its holder is silent for too long or the attempt is over, which the broker tells."""
        while self._patience is None or elapsed() - self._heard[token] < self._patience:
            spread = between(1 - JITTER, 1 + JITTER)
            await asyncio.sleep(lease.heartbeat_seconds * spread)
            try:
                beat = await holder.workers.heartbeat(id=worker_id)
            except (Unavailable, RateLimited):
                continue
            except BuilddError:
                return
            if Order.CANCEL in beat.orders:
                return

    def _forget(self, token: str) -> None:
        del self._keeping[token], self._heard[token]
