"""The `github_actions` runner: each agent is a run of a workflow, known by its name.

GitHub takes no name for a request, so the order's id travels in the run's own name (`run-name:`),
and a run is looked for before one is asked for. The order's key does not travel: what a run is told
can be read by others. The run identifies itself with a token of GitHub's, or has an agent's key among
its repository's secrets; the workflow alone says how the agent is started.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread
from pydantic import JsonValue

from buildd.clock import Clock, SystemClock
from buildd.errors import BuilddError, ConfigError, OutcomeUnknown, RateLimited, Unavailable
from buildd.roles import ExternalRef, LaunchOrder, LaunchState, Observation
from buildd.routing import AccountType
from buildd_runners.github.checks import check
from buildd_runners.github.credentials import Credentials
from buildd_runners.github.runs import Run, Runs
from buildd_runners.github.workflow import Workflow

NAME = "github_actions"

_PAUSES = (0, 1, 2, 4, 8)
"""Seconds before each look for a run that GitHub may have made, but has not named yet."""
_POLL = 2
_FORCED = 60
"""Seconds in which a run that is cancelled by force must have ended."""
_LATEST = timedelta(minutes=10)
"""After so long, an event from which no run has come will not become one."""
_SINCE = "since "
_CREDENTIALS = frozenset({"token", "app_id", "app_key_file", "api"})
_KNOWN = frozenset({"repository", "workflow", "event", "ref", "mark", "inputs"}) | _CREDENTIALS

T = TypeVar("T")


class ActionsRunner:
    """Agents in the runs of one workflow."""

    def __init__(self, runs: Runs, clock: Clock | None = None) -> None:
        self._runs = runs
        self._realm: str | None = None
        self._workflow = runs.workflow
        self._clock = clock or SystemClock()
        self._ensuring: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()

    @classmethod
    def from_config(cls, config: Mapping[str, JsonValue]) -> ActionsRunner:
        """From what `Workflow.from_config` and `Credentials.from_config` take.

        Raises `ConfigError`.
        """
        unknown = sorted(config.keys() - _KNOWN)
        if unknown:
            raise ConfigError(f"{unknown[0]} is no setting of the runner `github_actions`")
        return cls(Runs(Credentials.from_config(config), Workflow.from_config(config)))

    @property
    def serves(self) -> frozenset[AccountType]:
        """GitHub Actions, and nothing else."""
        return frozenset({AccountType.ACTION})

    async def ensure(self, order: LaunchOrder) -> ExternalRef:
        """Have the run of that name: the one there is, else a new one.

        Raises `OutcomeUnknown` if GitHub did not answer and shows no such run: ask again.
        """
        if order.settings:
            raise ConfigError(
                "passEnv: a run gets no private variables from the server; keep "
                f"{', '.join(sorted(order.settings))} among the repository's secrets"
            )
        name = self._workflow.run_name(order.id)
        # Before anything is sent: a name that has changed hands must not be taken for the same.
        realm = await self._repository_id()
        async with self._ensuring.setdefault(order.id, anyio.Lock()):
            run = await self._first(name) or await self._dispatch(order)
        if run is not None:
            return _ref(order.id, run, realm)
        since = _SINCE + self._clock.now().isoformat()
        return ExternalRef(NAME, order.id, since, realm=realm)

    async def observe(self, ref: ExternalRef) -> Observation:
        """What GitHub shows of its run."""
        try:
            run = await self._find(ref)
            return _never_came(ref, self._clock.now()) if run is None else _seen(run)
        except BuilddError as problem:
            return Observation(LaunchState.UNKNOWN, problem.message)

    async def stop(self, ref: ExternalRef, grace: float) -> None:
        """Cancel its run, which its agent hears as SIGINT; by force when `grace` seconds are over.

        Raises `Unavailable` if it may be running still: ask again.
        """
        run = await self._find(ref)
        if run is None:
            if _never_came(ref, self._clock.now()).state is LaunchState.PENDING:
                raise Unavailable("GitHub shows no run to cancel yet, and may do so any moment")
            return
        if run.over:
            return
        for force, patience in ((False, grace), (True, _FORCED)):
            await _call(partial(self._runs.cancel, run.id, force=force))
            if await self._ends(run.id, patience):
                return
        raise Unavailable("GitHub has not ended the run yet, although it was cancelled by force")

    async def list_owned(self) -> list[ExternalRef]:
        """The runs that have not ended and are named as this runner names them."""
        live, realm = await _call(self._runs.live), await self._repository_id()
        owned = ((self._workflow.order_id(run.name), run) for run in live)
        return [_ref(order_id, run, realm) for order_id, run in owned if order_id]

    async def extend(self, ref: ExternalRef, seconds: float) -> None:
        """Nothing to do: a job has the time that its workflow gives it."""

    async def check(self) -> None:
        """The workflow must be there, enabled, and listen to what it will be sent."""
        await _call(partial(check, self._runs))

    async def _first(self, name: str) -> Run | None:
        """The oldest run of a name. If an order has another by mistake, that one is cancelled."""
        runs = await _call(partial(self._runs.named, name))
        for extra in runs[1:]:
            if not extra.over:
                await _call(partial(self._runs.cancel, extra.id, force=False))
        return runs[0] if runs else None

    async def _dispatch(self, order: LaunchOrder) -> Run | None:
        """A new run; None if GitHub has taken the event and shows no run yet."""
        name, payload = self._workflow.run_name(order.id), self._workflow.payload(order)
        try:
            made = await _call(partial(self._runs.dispatch, payload))
        except RateLimited:
            raise
        except Unavailable as problem:
            # Also behind an error of GitHub's own there may be a run.
            found = await self._look(name)
            if found is None:
                said = "; it shows no such run yet, and may do so later"
                raise OutcomeUnknown(problem.message + said) from None
            return found
        if made is None:
            return await self._look(name)
        with suppress(Unavailable, RateLimited):
            # Another server may have asked for the same, or a proxy twice: all keep the first.
            return await self._first(name) or made
        return made

    async def _look(self, name: str) -> Run | None:
        for pause in _PAUSES:
            await anyio.sleep(pause)
            with suppress(Unavailable, RateLimited):
                found = await self._first(name)
                if found is not None:
                    return found
        return None

    async def _find(self, ref: ExternalRef) -> Run | None:
        if ref.external_id.isdecimal():
            return await _call(partial(self._runs.get, int(ref.external_id)))
        name = self._workflow.run_name(ref.order_id)
        return next(iter(await _call(partial(self._runs.named, name))), None)

    async def _ends(self, run_id: int, patience: float) -> bool:
        """Whether a run ends within so many seconds."""
        with anyio.move_on_after(patience):
            while True:
                run = await _call(partial(self._runs.get, run_id))
                if run is None or run.over:
                    return True
                await anyio.sleep(_POLL)
        return False

    async def _repository_id(self) -> str:
        if self._realm is None:
            self._realm = await _call(self._runs.repository_id)
        return self._realm


def _ref(order_id: str, run: Run, realm: str) -> ExternalRef:
    return ExternalRef(NAME, order_id, str(run.id), run.url, realm)


async def _call(blocking: Callable[[], T]) -> T:
    # It ends by itself, by its timeout, and what it did must be known: it is not abandoned.
    return await anyio.to_thread.run_sync(blocking)


def _seen(run: Run) -> Observation:
    match run.status:
        case "completed":
            code = 0 if run.conclusion == "success" else None
            told = f"the run has ended ({run.conclusion}): {run.url}"
            return Observation(LaunchState.EXITED, told, code)
        case "in_progress":
            return Observation(LaunchState.RUNNING, f"at work: {run.url}")
        case "waiting":
            told = f"it waits until somebody lets it run: {run.url}"
            return Observation(LaunchState.PENDING, told)
        case "queued" | "requested" | "pending":
            return Observation(LaunchState.PENDING, f"it waits for a machine: {run.url}")
    return Observation(LaunchState.UNKNOWN, f"GitHub calls the run {run.status!r}: {run.url}")


def _never_came(ref: ExternalRef, now: datetime) -> Observation:
    """What to say of a launch of which GitHub shows no run."""
    if ref.external_id.isdecimal():
        return Observation(LaunchState.GONE, "GitHub has no such run any more")
    try:
        waited = now - datetime.fromisoformat(ref.external_id.removeprefix(_SINCE))
    except (ValueError, TypeError):
        raise ConfigError(f"{ref.external_id!r} is no name of this runner's") from None
    if waited < _LATEST:
        told = "GitHub has taken the event, and shows no run of that name yet"
        return Observation(LaunchState.PENDING, told)
    told = "GitHub took the event, and no run of that name came: is its `run-name` the launch?"
    return Observation(LaunchState.GONE, told)
