"""The agent's main loop: claim while there is room, and stop claiming when it is time to end.

The server wakes a waiting claim, so an idle agent asks once a minute and still starts at once.
"""

from __future__ import annotations

import logging
from itertools import count

import anyio
from anyio.abc import TaskGroup

from buildd.agent import notify
from buildd.agent.attempt import Attempt, Stop
from buildd.agent.availability import Gate
from buildd.agent.inspection import LeftoverState
from buildd.agent.leftovers import prune
from buildd.agent.options import AgentOptions
from buildd.agent.outbox import Outbox
from buildd.agent.place import sweep
from buildd.agent.process import identity
from buildd.agent.progress import Standing, standing
from buildd.agent.records import Records
from buildd.agent.report import deliver_left
from buildd.agent.retry import Backoff, passes, persist
from buildd.agent.session import Desk, attend
from buildd.client import AsyncClient
from buildd.clock import elapsed
from buildd.errors import BuilddError, NotFound
from buildd.models import Account, Claim, Reason, ReasonCode
from buildd.roles import Executor
from buildd.routing import AccountType

log = logging.getLogger(__name__)

_WAIT = 50
"""Seconds a claim waits at the server: less than what proxies cut off after a minute."""
_LAST_REPORTS = 30.0
"""Seconds that reports have, at the end of a drain, to reach a server that is away."""
_FIRST_WORD = 60.0
"""Seconds for which what a pool has started waits for a server that is away."""
_MINUTE = 60.0
_PRUNE_EVERY = 60
"""Minutes between two removals of what ended attempts left."""


class Agent:
    """One agent: claims for one account, works with one executor, ends when told to."""

    def __init__(self, client: AsyncClient, executor: Executor, options: AgentOptions) -> None:
        self._client = client
        self._options = options
        self._attempts: list[Attempt] = []
        self._ended = anyio.Event()
        self._draining = anyio.Event()
        self._hurry = anyio.Event()
        self._introducing = anyio.CancelScope()
        self._claiming = anyio.CancelScope()
        self._left: int | None = None
        self._said: ReasonCode | None = None
        self._owner = identity()
        self._desk = Desk(executor, options, Outbox(options.state_dir), self._fail)
        self._failure: BuilddError | None = None
        self._gate = Gate(options.availability)

    def running(self) -> list[Standing]:
        """How the attempts stand that run now; may be called from any thread."""
        return [standing(attempt) for attempt in list(self._attempts)]

    def drain(self) -> None:
        """Stop claiming; what runs has `drain_timeout` to finish. Again: hand it back now.

        To be called on the agent's event loop.
        """
        if self._draining.is_set():
            self._hurry.set()
            return
        log.info("draining: %d running", len(self._attempts))
        notify.tell("STOPPING=1")
        self._draining.set()
        self._introducing.cancel()
        self._claiming.cancel()

    async def run(self) -> None:
        """Work until drained, or, in a single run, until its tasks are done.

        Raises `buildd.errors` that trying again cannot mend, such as a revoked key, a workspace that
        is not there, or what keeps the executor from any task; what runs is brought to its end before.
        """
        account = await self._introduced()
        if account is None:
            return
        if account.type is AccountType.ACTION or self._options.single_run:
            self._left = self._options.max_tasks
        if not self._options.acquires:
            await self._check_workspace(account)
        await sweep(self._options.state_dir)
        await deliver_left(self._desk.outbox, self._client, account.id)
        log.info("ready, as %s (%s)", account.name, account.id)
        notify.tell("READY=1")
        async with anyio.create_task_group() as watch:
            watch.start_soon(self._hand_back_in_time)
            self._gate.look()
            watch.start_soon(self._gate.watch)
            watch.start_soon(self._keep_hours)
            watch.start_soon(notify.feed, self._client.accounts.me)
            if not self._options.acquires:  # its token says nothing of other attempts
                watch.start_soon(self._look_after, account.id)
            async with anyio.create_task_group() as attempts:
                try:
                    with self._claiming:
                        await self._claim(attempts)
                except BuilddError as problem:
                    self._fail(problem)
            watch.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure

    def _fail(self, problem: BuilddError) -> None:
        """Drain, and end with this, or with the first of such problems."""
        self._failure = self._failure or problem
        if not self._draining.is_set():
            self.drain()

    async def _introduced(self) -> Account | None:
        """Who this agent is; None if it is to drain before it knows. People are told trouble at once."""
        patience = _FIRST_WORD if self._options.acquires else 0
        with self._introducing:
            return await persist(self._client.accounts.me, until=elapsed() + patience)
        return None

    async def _check_workspace(self, account: Account) -> None:
        workspace_id = self._options.workspace_id
        try:
            if workspace_id:
                await self._client.workspaces.get(id=workspace_id)
        except NotFound:
            raise NotFound(
                f"{account.name} may not work in a workspace {workspace_id}: "
                f"`buildd accounts grant {account.id} {workspace_id}` lets it, if there is one"
            ) from None

    async def _look_after(self, account_id: str) -> None:
        """Now and then see to what is left of attempts: untold reports, and what nobody needs."""
        for minute in count():
            if minute % _PRUNE_EVERY == 0:
                await self._prune()
            await anyio.sleep(_MINUTE)
            await deliver_left(self._desk.outbox, self._client, account_id)

    async def _prune(self) -> None:
        try:
            left = await prune(self._options.state_dir, Records(self._client))
        except (OSError, BuilddError) as problem:
            log.warning("cannot look for what attempts left: %s", problem)
            return
        gone = sum(each.state is LeftoverState.REMOVED for each in left)
        if gone:
            log.info("removed %d things that nobody needs any more", gone)

    async def _hand_back_in_time(self) -> None:
        await self._draining.wait()
        with anyio.move_on_after(self._options.drain_timeout):
            await self._hurry.wait()
        self._hand_back()
        await anyio.sleep(_LAST_REPORTS)
        for attempt in list(self._attempts):
            attempt.reporting.cancel()

    async def _keep_hours(self) -> None:
        """Whenever the agent may not work any more, what runs has the time of a drain."""
        while True:
            await self._gate.closed()
            if self._attempts:
                seconds = self._options.drain_timeout
                log.info("%d running have %.0f s to finish", len(self._attempts), seconds)
            with anyio.move_on_after(self._options.drain_timeout):
                await self._gate.opened()
                continue
            self._hand_back()
            await self._gate.opened()

    def _hand_back(self) -> None:
        for attempt in list(self._attempts):
            attempt.stop(Stop.DRAIN)

    async def _claim(self, attempts: TaskGroup) -> None:
        await self._gate.opened()
        if self._options.task_id:
            await self._take_first(attempts, self._options.task_id)
        backoff = Backoff()
        while self._left != 0:
            await self._wait_for_room()
            await self._gate.opened()
            asked, running = elapsed(), set(self._attempts)
            claim: Claim | None = None
            with self._gate.passage():
                claim = await self._ask()
            if claim is None:
                continue
            self._start(attempts, claim)
            if claim.workers:
                backoff.reset()
            elif self._left is not None and not self._options.waits:
                if not running:
                    return
                # Its end may free a slot, or be what another task waits for.
                await self._end_of_one_of(running)
            elif elapsed() - asked < 1:
                # Refused without having waited: no reason to ask again at once.
                await anyio.sleep(backoff.next())

    async def _take_first(self, attempts: TaskGroup, task_id: str) -> None:
        try:
            self._start(attempts, await self._ask(task_id))
        except NotFound:
            log.warning("there is no task %s for this account", task_id)

    async def _wait_for_room(self) -> None:
        while len(self._attempts) >= self._options.max_tasks:
            await self._next_end()

    async def _end_of_one_of(self, running: set[Attempt]) -> None:
        while running.issubset(self._attempts):
            await self._next_end()

    async def _next_end(self) -> None:
        self._ended = anyio.Event()
        await self._ended.wait()

    async def _ask(self, task_id: str | None = None) -> Claim:
        """One claim, repeated while the server is away."""
        options, backoff, away = self._options, Backoff(), False
        room = options.max_tasks - len(self._attempts)
        ends = self._left is not None and not options.waits
        wait = 0 if task_id or ends else _WAIT
        while True:
            try:
                claim = await self._client.workers.claim(
                    workspace_id=options.workspace_id,
                    task_id=task_id,
                    capabilities=list(options.capabilities),
                    max_tasks=1 if task_id else min(room, self._left or room),
                    wait_seconds=wait,
                    agent_id=options.agent_id,
                    runner=options.runner,
                    run_id=options.run_id,
                )
            except BuilddError as problem:
                if not passes(problem):
                    raise
                if not away:
                    log.warning("cannot claim now, trying again: %s", problem)
                    away = True
                await anyio.sleep(backoff.next(problem))
            else:
                if away:
                    log.info("the server answers again")
                self._explain(claim.reason)
                return claim

    def _explain(self, reason: Reason | None) -> None:
        """Say why there is nothing to do, once for each new reason."""
        code = reason.code if reason else None
        if reason is not None and code not in (ReasonCode.NO_WORK, self._said):
            log.info("nothing to claim: %s", reason.message)
        self._said = code

    def _start(self, attempts: TaskGroup, claim: Claim) -> None:
        for claimed in claim.workers:
            attempt = Attempt(claimed, self._client, self._owner, on_drain=self._drain_on_order)
            self._attempts.append(attempt)
            attempts.start_soon(self._work, attempt)
        if self._left is not None:
            self._left = max(0, self._left - len(claim.workers))

    def _drain_on_order(self) -> None:
        if not self._draining.is_set():
            self.drain()

    async def _work(self, attempt: Attempt) -> None:
        try:
            await attend(attempt, self._desk)
        except Exception:
            # One attempt's trouble must not end the others; its lease runs out by itself.
            log.exception("%s: a fault in the agent", attempt.claimed.task_id)
        finally:
            self._attempts.remove(attempt)
            self._ended.set()
