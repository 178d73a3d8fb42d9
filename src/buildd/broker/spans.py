"""Spans around operations: what is created keeps its trace, and its claim and its agent go on with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from buildd import tracing
from buildd.broker._context import Origin
from buildd.broker.principals import Principal
from buildd.models import Claim, Claimed
from buildd.operations import Heartbeat, Operation
from buildd.tracing import Span, Tracer

R = TypeVar("R")


def traced(
    operation: Operation[R],
    principal: Principal,
    origin: Origin,
    submit: Callable[[Origin], Future[R]],
) -> Future[R]:
    """Have an operation done with a span around it, if any are wanted; of heartbeats there are too many."""
    tracer = tracing.tracer()
    if tracer is None or isinstance(operation, Heartbeat):
        return submit(origin)
    parent = None if tracer.current() else origin.traceparent
    span = tracer.begin(type(operation).__name__, parent, server=False)
    span.tell(subject=getattr(operation, "id", None), account=principal.account_id)
    future = submit(replace(origin, traceparent=span.traceparent))
    future.add_done_callback(partial(_end, tracer, span))
    return future


def _end(tracer: Tracer, span: Span, done: Future[Any]) -> None:
    if done.cancelled():
        span.tell(outcome="given up")
        span.end()
        return
    error = done.exception()
    if error is None:
        answer = done.result()
        span.tell(result=getattr(answer, "id", None))
        for claimed in _taken(answer):
            _record_claim(tracer, claimed)
    span.end(error)


def _taken(answer: object) -> list[Claimed]:
    match answer:
        case Claim():
            return answer.workers
        case Claimed():
            return [answer]
    return []


def _record_claim(tracer: Tracer, claimed: Claimed) -> None:
    """The claim in the task's own trace: from when it was created, if nobody had it before."""
    task = claimed.task
    if task.traceparent is None or task.claimed_at is None:
        return
    tracer.record(
        "claim",
        task.traceparent,
        task.created_at if task.attempt == 1 else task.claimed_at,
        task.claimed_at,
        task=task.id,
        worker=claimed.id,
        account=task.claimed_by,
        attempt=task.attempt,
    )
