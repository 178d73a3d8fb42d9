"""Acting: the one call of a runner that a turn is for. Nothing here touches the database."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import anyio
from pydantic import JsonValue

from buildd.broker.dispatch.pace import Pace
from buildd.broker.dispatch.turns import LONGEST, Outcome, Turn, is_to_start
from buildd.errors import BuilddError, ConfigError, OutcomeUnknown, Unavailable
from buildd.models import Pool, Task
from buildd.roles import ExternalRef, LaunchOrder, LaunchState, Observation, Runner
from buildd.routing import AccountType
from buildd.states import LaunchStatus
from buildd.store import Row
from buildd.text import one_line

_LAST_WORDS = 10.0
"""Seconds of its grace that an agent needs to hand back what it could not finish."""

T = TypeVar("T")
Prefer = Callable[[Task, Sequence[Pool]], str | None]
"""Given a task and the pools that could serve it: the name of one, or None for no opinion."""

log = logging.getLogger("buildd.dispatch")


@dataclass(frozen=True)
class Means:
    """What an installation starts agents with."""

    runners: Callable[[str, Mapping[str, JsonValue]], Runner]
    """Makes the runner of a name from its configuration. Raises `ConfigError`."""
    address: str | None = None
    """The server's URL as agents reach it, for pools that name no other."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Where the values of a pool's `passEnv` are found."""
    prefer: Prefer | None = None
    """Chooses among the pools that could serve a task; None: the one that was made first."""


class Acting:
    """Calls runners; they are made once for each configuration of a pool."""

    def __init__(self, means: Means, pace: Pace) -> None:
        self._means = means
        self._pace = pace
        self._made: dict[str, tuple[str, Runner]] = {}

    def runner(self, pool: Row) -> Runner:
        """The runner of a pool. Raises `ConfigError`, also for what a plugin gets wrong."""
        config = f"{pool.runner} {json.dumps(pool.config, sort_keys=True)}"
        known, runner = self._made.get(pool.id, ("", None))
        if runner is None or known != config:
            try:
                runner = self._means.runners(pool.runner, pool.config)
            except BuilddError:
                raise
            except Exception as fault:
                raise ConfigError(_fault(pool.runner, fault)) from fault
            self._made[pool.id] = (config, runner)
        return runner

    async def ask(self, pool: Row, question: Callable[[Runner], Awaitable[T]]) -> T:
        """Call the runner of a pool, within the time of a call. Raises only `BuilddError`."""
        try:
            with anyio.fail_after(self._pace.call):
                return await question(self.runner(pool))
        except BuilddError as problem:
            # They may quote a stranger, and are stored, and shown in terminals.
            problem.message = one_line(problem.message, LONGEST)
            problem.args = (problem.message,)
            raise
        except TimeoutError:
            raise OutcomeUnknown(
                f"{pool.runner} did not answer within {self._pace.call:.0f} s"
            ) from None
        except Exception as fault:
            raise Unavailable(_fault(pool.runner, fault)) from fault

    async def act(self, turn: Turn) -> Outcome:
        """Do what the launch needs next. Raises nothing."""
        try:
            return await self.ask(turn.pool, partial(self._act, turn))
        except BuilddError as problem:
            return Outcome(problem=problem)

    async def check(self, pool: Row, account: AccountType | None) -> None:
        """Whether the pool could start an agent for its account. Raises `ConfigError`, or what hinders it."""
        self._server(pool)
        self._settings(pool)
        served = self.runner(pool).serves
        if account is not None and account not in served:
            who = ", ".join(sorted(each.value for each in served))
            raise ConfigError(f"{pool.runner} serves accounts of type {who}, not {account.value}")
        await self.ask(pool, lambda runner: runner.check())

    async def _act(self, turn: Turn, runner: Runner) -> Outcome:
        launch = turn.launch
        if is_to_start(launch):
            return Outcome(ref=await runner.ensure(self._order(turn)))
        if launch.status == LaunchStatus.STOPPING:
            return Outcome(seen=await self._stop(runner, launch, turn.pool))
        ref = _ref(launch, turn.pool)
        seen = await runner.observe(ref)
        return Outcome(seen=seen, extended=await self._extend(runner, turn, ref, seen))

    def _order(self, turn: Turn) -> LaunchOrder:
        launch, pool = turn.launch, turn.pool
        assert turn.key is not None
        return LaunchOrder(
            id=launch.id,
            server=self._server(pool),
            key=turn.key,
            workspace_id=launch.workspace_id,
            task_id=launch.task_id,
            arguments=(
                "--once",
                f"--drain-timeout={max(self._pace.grace - _LAST_WORDS, 0):g}",
                *(f"--capability={each}" for each in pool.capabilities),
                *pool.arguments,
            ),
            settings=self._settings(pool),
        )

    def _server(self, pool: Row) -> str:
        server: str | None = pool.server or self._means.address
        if server is None:
            raise ConfigError("set the pool's `server` to the URL at which its agents reach buildd")
        return server

    def _settings(self, pool: Row) -> dict[str, str]:
        missing = [name for name in pool.pass_env if not self._means.environ.get(name)]
        if missing:
            raise ConfigError(
                f"passEnv names {missing[0]}, which is not set in the server's environment"
            )
        return {name: self._means.environ[name] for name in pool.pass_env}

    async def _stop(self, runner: Runner, launch: Row, pool: Row) -> Observation:
        """Let it drain, then look; end it by force when it takes too long."""
        ref = _ref(launch, pool) if launch.external_id else await _find(runner, launch.id)
        if ref is None:
            # Should it appear yet: its token has ended, and the sweep finds it.
            return Observation(LaunchState.GONE, "nothing was started")
        if launch.calls == 0 or launch.unknown_since is not None:
            await runner.stop(ref, self._pace.grace)
        seen = await runner.observe(ref)
        stays = seen.state in (LaunchState.PENDING, LaunchState.RUNNING)
        if stays and launch.calls >= self._pace.looks_of_grace:
            await runner.stop(ref, 0)
            seen = await runner.observe(ref)
        return seen

    async def _extend(
        self, runner: Runner, turn: Turn, ref: ExternalRef, seen: Observation
    ) -> bool:
        """Keep what is at work from being ended by its platform; tell whether that was tried."""
        if seen.state is not LaunchState.RUNNING or not turn.extend:
            return False
        try:
            await runner.extend(ref, self._pace.extend_by)
        except BuilddError as problem:
            log.warning("%s: cannot be kept for longer: %s", turn.name, problem)
        return True


def _ref(launch: Row, pool: Row) -> ExternalRef:
    return ExternalRef(pool.runner, launch.id, launch.external_id, launch.url, launch.realm)


async def _find(runner: Runner, launch_id: str) -> ExternalRef | None:
    """What was started for a launch although nobody could write that down."""
    owned = await runner.list_owned()
    return next((ref for ref in owned if ref.order_id == launch_id), None)


def _fault(runner: str, fault: Exception) -> str:
    said = one_line(str(fault), LONGEST) or "no message"
    return f"the runner {runner!r} failed with {type(fault).__name__}: {said}"
