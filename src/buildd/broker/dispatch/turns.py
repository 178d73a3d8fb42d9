"""Turns: the database's half of acting on a launch, before its runner is called and after.

What is about to be done is written down first. The outcome counts only for the turn it was taken
for: when another server has acted since, because this one was away for too long, it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from buildd.broker._context import Context
from buildd.broker.dispatch.pace import Pace
from buildd.broker.launches import move_launch
from buildd.broker.tokens import mint_for_launch
from buildd.errors import BuilddError, RateLimited, Unavailable
from buildd.roles import ExternalRef, LaunchState, Observation
from buildd.states import LAUNCH, OVER, TASK, LaunchStatus, LaunchVerb
from buildd.store import Row
from buildd.store.sql import launches as sql
from buildd.store.sql import pools as sql_pools
from buildd.store.sql import tasks as sql_tasks
from buildd.store.sql import workers as sql_workers
from buildd.text import one_line

TRANSIENT = (Unavailable, RateLimited)
"""What trying again may mend."""
LONGEST = 1000
"""Characters of what is kept of a runner's words."""
_ENDED = (LaunchState.EXITED, LaunchState.GONE)
_NOT_SEEN = LAUNCH.step(LaunchVerb.RUN).sources


@dataclass(frozen=True)
class Turn:
    """One launch that is ours to act on, and what its runner needs for that."""

    launch: Row
    pool: Row
    key: str | None = field(default=None, repr=False)
    """What its agent comes in with; None where nothing is to be started."""
    extend: bool = False
    """Whether it is time to keep it for longer, if it is at work."""

    @property
    def name(self) -> str:
        """How people know it."""
        return f"launch {self.launch.id} of pool {self.pool.name!r}"


@dataclass(frozen=True)
class Outcome:
    """What a turn has brought: what was started, what was seen of it, or what went wrong."""

    ref: ExternalRef | None = None
    seen: Observation | None = None
    problem: BuilddError | None = None
    extended: bool = False


def take(ctx: Context, launch_id: str, pace: Pace) -> Turn | None:
    """Take the turn of a launch, unless somebody else has it."""
    until = ctx.tx.now + timedelta(seconds=pace.turn)
    launch = ctx.tx.first(sql.TAKE_TURN, of=launch_id, now=ctx.tx.now, until=until)
    if launch is None:
        return None
    pool = ctx.tx.first(sql_pools.POOL, id=launch.pool_id)
    if pool is None:
        return None
    # Only digests are kept, so each call has a key of its own; they are good for one agent together.
    key = mint_for_launch(ctx, launch) if is_to_start(launch) else None
    extended = launch.extended_at or launch.created_at
    due = extended + timedelta(seconds=pace.extend_every) <= ctx.tx.now
    return Turn(launch, pool, key, extend=due)


def is_to_start(launch: Row) -> bool:
    """Whether its runner is to be asked for it: nobody has written down what became of that yet."""
    return launch.external_id is None and launch.status != LaunchStatus.STOPPING


def release(ctx: Context, turn: Turn) -> None:
    """Let others act on it at once: this dispatcher ends, and does not know what its call has done."""
    launch = _still_ours(ctx, turn)
    if launch is not None:
        _write(ctx, launch, retry_at=None)


def settle(ctx: Context, turn: Turn, outcome: Outcome, pace: Pace) -> str | None:
    """Write down what a turn has brought; a line for operators if that is news."""
    launch = _still_ours(ctx, turn)
    if launch is None:
        return None
    if outcome.ref is not None:
        launch = _started(ctx, launch, outcome.ref)
    if outcome.problem is not None:
        return _trouble(ctx, turn, launch, outcome.problem, pace)
    if outcome.seen is None:
        launch = _write(ctx, launch, calls=0, retry_at=None, unknown_since=None, detail=None)
        return f"{turn.name}: started as {launch.url or launch.external_id}"
    return _seen(ctx, turn, launch, outcome, pace)


def _still_ours(ctx: Context, turn: Turn) -> Row | None:
    launch = ctx.tx.first(sql.LOCK_TURN, id=turn.launch.id, turn=turn.launch.turn)
    return None if launch is None or launch.status in OVER else launch


def _started(ctx: Context, launch: Row, ref: ExternalRef) -> Row:
    # Its agent may have come in meanwhile and told more exactly which run it is.
    external, realm = launch.external_id or ref.external_id, launch.realm or ref.realm
    moved = move_launch(ctx, launch, LaunchVerb.ENSURE, external=external, at=ref.url, within=realm)
    return moved or _write(ctx, launch, external_id=external, url=ref.url, realm=realm)


def _seen(ctx: Context, turn: Turn, launch: Row, outcome: Outcome, pace: Pace) -> str | None:
    assert outcome.seen is not None
    seen = replace(outcome.seen, detail=one_line(outcome.seen.detail, LONGEST))
    if seen.state is LaunchState.UNKNOWN:
        return _unknown(ctx, turn, launch, seen.detail, pace)
    if seen.state in _ENDED:
        return _over(ctx, turn, launch, seen, pace)
    if launch.status == LaunchStatus.STOPPING != turn.launch.status:
        # Asked to end while it was looked at: its runner is still to be told.
        _write(ctx, launch, calls=0, retry_at=None)
        return None
    line, looks = None, launch.calls
    if seen.state is LaunchState.RUNNING and launch.status in _NOT_SEEN:
        launch = move_launch(ctx, launch, LaunchVerb.RUN) or launch
        line, looks = f"{turn.name}: at work", 0
    elif launch.unknown_since is not None:
        line, looks = f"{turn.name}: its platform answers again", 0
    elif _attempt_has_ended(ctx, launch):
        looks = 0
    _write(
        ctx,
        launch,
        calls=looks + 1,
        detail=seen.detail or None,
        unknown_since=None,
        retry_at=ctx.tx.now + pace.next_look(looks),
        extended_at=ctx.tx.now if outcome.extended else launch.extended_at,
    )
    return line


def _over(ctx: Context, turn: Turn, launch: Row, seen: Observation, pace: Pace) -> str:
    said = seen.detail or launch.stop_reason or "it ended without a word"
    move_launch(ctx, launch, LaunchVerb.END, said=seen.detail or None, code=seen.exit_code)
    line = f"{turn.name}: over ({said})"
    if not _took_no_work(ctx, launch):
        return line
    pool = ctx.tx.first(sql.TOOK_NO_WORK, of=launch.pool_id, now=ctx.tx.now, last_error=said)
    if pool is None:
        return line
    pause = pace.next_launch(pool.failures)
    ctx.tx.run(sql.PUT_OFF, of=pool.id, until=ctx.tx.now + pause)
    return (
        f"{line}; it took no work, {pool.failures} in a row:"
        f" the next one in {pause.total_seconds():.0f} s"
    )


def _took_no_work(ctx: Context, launch: Row) -> bool:
    """Whether a launch came to nothing, though nobody else and no person was the cause."""
    if launch.worker_id is not None or launch.stop_reason not in (None, sql.LATE):
        return False
    if launch.task_id is None:
        return True
    task = ctx.tx.first(sql_tasks.TASK_SEEN, id=launch.task_id, viewer=None)
    return bool(task and task.status == TASK.initial and task.epoch == launch.epoch)


def _trouble(ctx: Context, turn: Turn, launch: Row, problem: BuilddError, pace: Pace) -> str | None:
    for_good = not isinstance(problem, TRANSIENT)
    never_came = launch.status == LaunchStatus.REQUESTED and launch.worker_id is None
    if not for_good or not never_came:
        return _unknown(ctx, turn, launch, problem.message, pace)
    move_launch(ctx, launch, LaunchVerb.FAIL, said=problem.message)
    ctx.tx.first(sql.HALT, of=launch.pool_id, now=ctx.tx.now, last_error=problem.message)
    fix = "mend it, then `buildd pools check` or `buildd pools update` lets it go on"
    return f"{turn.name}: refused, and the pool starts nothing more: {problem.message}; {fix}"


def _unknown(ctx: Context, turn: Turn, launch: Row, detail: str, pace: Pace) -> str | None:
    """The status stays: what is not known is neither at work nor dead."""
    first = launch.unknown_since is None
    calls = 0 if first else launch.calls + 1
    _write(
        ctx,
        launch,
        calls=calls,
        detail=detail or None,
        unknown_since=ctx.tx.now if first else launch.unknown_since,
        retry_at=ctx.tx.now + pace.next_try(calls),
    )
    return f"{turn.name}: {launch.status}, trying again: {detail}" if first else None


def _attempt_has_ended(ctx: Context, launch: Row) -> bool:
    """Since it was looked at last: its agent ends within moments, and its pool may need the room."""
    if launch.worker_id is None:
        return False
    worker = ctx.tx.first(sql_workers.WORKER_SEEN, id=launch.worker_id, viewer=None)
    return bool(worker and worker.completed_at and worker.completed_at > launch.updated_at)


def _write(ctx: Context, launch: Row, **values: Any) -> Row:
    """Change what is given, and end the turn."""
    kept = {name: getattr(launch, name) for name in sql.TURN_COLUMNS}
    written = ctx.tx.first(
        sql.END_TURN,
        of=launch.id,
        **{**kept, **values, "busy_until": None, "updated_at": ctx.tx.now},
    )
    assert written is not None
    return written
