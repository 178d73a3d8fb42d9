"""One claim to its end, as a pipeline: prepare, run, judge, report."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from buildd import tracing
from buildd.agent import local_api
from buildd.agent import place as places
from buildd.agent.attempt import Attempt, Stop
from buildd.agent.evidence import collect
from buildd.agent.git import GitFailed
from buildd.agent.lease import OVER, reason_of
from buildd.agent.listen import listen
from buildd.agent.options import AgentOptions
from buildd.agent.outbox import Outbox
from buildd.agent.past import note, recall
from buildd.agent.process import stop as stop_processes
from buildd.agent.report import report
from buildd.agent.repository import NoRepository
from buildd.clock import duration, elapsed
from buildd.errors import BuilddError, ConfigError, WrongState
from buildd.roles import (
    OUT_OF_BUDGET,
    Completed,
    Executor,
    Failed,
    Lost,
    Outcome,
    Paused,
    Released,
)
from buildd.states import ErrorCode, WorkerStatus
from buildd.text import one_line

log = logging.getLogger(__name__)

_ENDED = {WorkerStatus.COMPLETED, *ErrorCode}
"""What a lease was lost for, when the attempt has ended."""


@dataclass
class Desk:
    """What all attempts of one agent share."""

    executor: Executor
    options: AgentOptions
    outbox: Outbox
    unfit: Callable[[ConfigError], None]
    """Is told what keeps this agent, as it is set up, from any task."""


async def attend(attempt: Attempt, desk: Desk) -> Outcome:
    """Work on one claimed task until its outcome is known to the server, or the lease is lost."""
    claimed = attempt.claimed
    with tracing.span("attempt", parent=claimed.task.traceparent) as span:
        span.tell(task=claimed.task_id, worker=claimed.id, attempt=claimed.task.attempt)
        outcome = await _attend(attempt, desk)
        span.tell(outcome=type(outcome).__name__.lower())
    return outcome


async def _attend(attempt: Attempt, desk: Desk) -> Outcome:
    claimed = attempt.claimed
    log.info(
        "%s started on %s: %s", claimed.task_id, claimed.branch, one_line(claimed.task.title, 60)
    )
    try:
        wanted, outcome = await _to_its_end(attempt, desk)
    except BaseException:
        await _abandon(attempt)
        raise
    await _leave(attempt, keep=isinstance(wanted, Paused) or outcome == Lost(WorkerStatus.PAUSED))
    if _has_ended(outcome):
        places.forget(claimed.id, desk.options.state_dir)
    log.info("%s %s after %s", claimed.task_id, _said(outcome), duration(elapsed() - attempt.began))
    return outcome


async def _to_its_end(attempt: Attempt, desk: Desk) -> tuple[Outcome, Outcome]:
    """The outcome that the attempt came to, and the one that the server accepted."""
    async with anyio.create_task_group() as loops:
        loops.start_soon(attempt.keeper.keep)
        loops.start_soon(listen, attempt.client, attempt.claimed.id, attempt.keeper.ring)
        loops.start_soon(attempt.speech.send)
        reached = await _run(attempt, desk, loops)
        if attempt.place is not None and isinstance(reached, (Paused, Lost)):
            note(attempt.place.memory, attempt.taken)
        with tracing.span("report"):
            wanted, evidence = await collect(attempt, reached)
            accepted = await report(attempt, wanted, evidence, desk.outbox)
        loops.cancel_scope.cancel()
    return wanted, accepted


async def _abandon(attempt: Attempt) -> None:
    """Leave things as an agent does that is killed: whoever sweeps next saves the work."""
    await stop_processes(0, attempt.claimed.id)
    if attempt.place is not None:
        attempt.place.scratch.let_go()


async def _run(attempt: Attempt, desk: Desk, loops: TaskGroup) -> Outcome:
    """Prepare and run; whatever happens becomes an outcome."""
    outcome: Outcome | None = None
    with attempt.scope:
        try:
            with tracing.span("prepare"):
                await _prepare(attempt, desk.options)
            attempt.socket = await loops.start(local_api.serve, attempt)
            with tracing.span("execute", executor=type(desk.executor).__name__):
                outcome = await _execute(attempt, desk.executor)
        except OVER as problem:
            outcome = Lost(reason_of(problem))
        except ConfigError as problem:
            desk.unfit(problem)
            outcome = Released()
        except GitFailed as problem:
            outcome = Failed(f"git: {problem}")
        except NoRepository as problem:
            outcome = Failed(str(problem), retryable=problem.retryable)
        except (Exception, SystemExit, KeyboardInterrupt) as problem:  # noqa: BLE001 - not our failure
            outcome = _crashed(problem)
    if isinstance(outcome, Failed) and attempt.place is None:
        outcome = _not_prepared(outcome, desk)
    # Whatever it has started must not outlive it, nor write into what is committed now.
    await stop_processes(0, attempt.claimed.id)
    if outcome is None or attempt.stopped is Stop.LOST:
        return _stopped(attempt)
    return outcome


def _not_prepared(outcome: Failed, desk: Desk) -> Outcome:
    """Where it is the machine that has no room, the next task would fail as fast."""
    full = places.lack_of_space(desk.options.state_dir)
    if full is None:
        return outcome
    desk.unfit(full)
    return Released()


async def _prepare(attempt: Attempt, options: AgentOptions) -> None:
    claimed, client = attempt.claimed, attempt.client
    if claimed.worker.status is WorkerStatus.IDLE:
        with suppress(WrongState):  # an earlier answer was lost on its way: it has started
            await attempt.call(lambda: client.workers.start(id=claimed.id))
    workspace = await attempt.call(lambda: client.workspaces.get(id=claimed.task.workspace_id))
    memory = places.memory_of(claimed.id, options.state_dir)
    attempt.comes_after(await recall(claimed, client, memory))
    for each in attempt.past.earlier:
        places.forget(each.id, options.state_dir)  # of killed agents
    attempt.place = await places.prepare(
        workspace,
        claimed,
        options.state_dir,
        checkout=options.checkout,
        earlier=[each.branch for each in attempt.past.earlier],
    )


async def _execute(attempt: Attempt, executor: Executor) -> Outcome:
    await attempt.call(attempt.keeper.begin)
    if attempt.task.timeout_seconds is not None:
        attempt.scope.deadline = anyio.current_time() + attempt.task.timeout_seconds
    outcome = await executor.run(attempt)
    attempt.scope.deadline = float("inf")
    return outcome


def _crashed(problem: BaseException) -> Failed:
    said = str(problem)
    if isinstance(problem, BuilddError) or (isinstance(problem, OSError) and problem.filename):
        return Failed(said)
    summary = "".join(traceback.format_exception(problem))
    return Failed(
        f"{type(problem).__name__}: {said}" if said else type(problem).__name__, summary=summary
    )


def _stopped(attempt: Attempt) -> Outcome:
    match attempt.stopped:
        case None:
            said = f"not done within {attempt.task.timeout_seconds} seconds"
            return Failed(said, code=ErrorCode.TIMEOUT)
        case Stop.BUDGET:
            return OUT_OF_BUDGET
        case Stop.PAUSE:
            return Paused()
        case Stop.DRAIN:
            return Released()
        case Stop.CANCEL:
            return Lost("cancelled")
        case Stop.LOST:
            return Lost(attempt.why)


def _has_ended(outcome: Outcome) -> bool:
    """Whether it is known that nobody will take the attempt up again."""
    match outcome:
        case Completed() | Failed() | Released():
            return True
        case Lost(reason=reason):
            return reason in _ENDED
        case Paused():
            return False


async def _leave(attempt: Attempt, *, keep: bool) -> None:
    if attempt.place is None:
        return
    try:
        await attempt.place.leave(keep=keep)
    except (GitFailed, BuilddError, OSError) as problem:
        log.warning("kept %s: %s", attempt.place.workdir, problem)


def _said(outcome: Outcome) -> str:
    match outcome:
        case Completed():
            return "completed"
        case Failed(error=error, retryable=retryable):
            return f"failed{'' if retryable else ' for good'} ({one_line(error, 200)})"
        case Paused():
            return "paused"
        case Released():
            return "handed back"
        case Lost(reason=reason):
            return f"given up ({one_line(reason, 200)})"
