"""What a handler is given, and the table of handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, TypeAdapter

from buildd.broker.principals import Principal, PrincipalKind
from buildd.events import EventType
from buildd.lease import LeaseTimes
from buildd.models import Model
from buildd.operations import Operation, Patch
from buildd.store import Refused, Row, Transaction

O = TypeVar("O", bound=Operation[Any])  # noqa: E741 - reads as "operation"
R = TypeVar("R")
M = TypeVar("M", bound=BaseModel)

EVENT_TEXT_LIMIT = 2000


@dataclass(frozen=True)
class Origin:
    """Where a call came from, as far as that is known."""

    address: str | None = None
    """The network address of the caller."""
    request_id: str | None = None
    traceparent: str | None = None
    """The trace that the call is part of, in the form of W3C Trace Context."""


HERE = Origin()
"""This very process: an embedded client, or the broker itself."""


class Caller(NamedTuple):
    """Who asks for something, and from where."""

    principal: Principal
    origin: Origin = HERE


@dataclass(frozen=True)
class Context:
    """An open transaction, who asks, and what the installation is set to."""

    tx: Transaction
    principal: Principal
    times: LeaseTimes
    pepper: bytes
    origin: Origin = HERE
    public_url: str | None = None
    """The URL at which others reach the server, if it knows."""

    def of(self, caller: Caller) -> Context:
        """The same, asked by somebody else."""
        return replace(self, principal=caller.principal, origin=caller.origin)

    @property
    def viewer(self) -> str | None:
        """Whose grants bound what is seen."""
        return self.principal.viewer

    @property
    def by_lease(self) -> bool:
        """Whether an agent asks under its lease token."""
        return self.principal.kind is PrincipalKind.LEASE

    def emit(self, kind: EventType, data: Mapping[str, Any], **about: str | None) -> None:
        """Tell the feed, with the commit."""
        self.tx.events.append(
            {
                "type": kind.value,
                "at": self.tx.now,
                "workspace_id": about.get("workspace_id"),
                "task_id": about.get("task_id"),
                "worker_id": about.get("worker_id"),
                "account_id": about.get("account_id"),
                "data": dict(data),
            }
        )

    def emit_task(self, kind: EventType, task: Row, **data: Any) -> None:
        """Tell the feed about a task."""
        self.emit(
            kind, data, workspace_id=task.workspace_id, task_id=task.id, account_id=task.claimed_by
        )

    def emit_worker(self, kind: EventType, worker: Row, **data: Any) -> None:
        """Tell the feed about a worker."""
        self.emit(
            kind,
            data,
            workspace_id=worker.workspace_id,
            task_id=worker.task_id,
            worker_id=worker.id,
            account_id=worker.account_id,
        )


Handler = Callable[[Context, Any], Any]

HANDLERS: dict[type[Operation[Any]], Handler] = {}
"""Which function does which operation; filled by `handles` as the handlers' modules are imported."""


def handles(
    operation: type[O],
) -> Callable[[Callable[[Context, O], R]], Callable[[Context, O], R]]:
    """Mark the one function that does an operation."""

    def register(handler: Callable[[Context, O], R]) -> Callable[[Context, O], R]:
        if operation in HANDLERS:
            raise TypeError(f"{operation.__name__} has two handlers")
        HANDLERS[operation] = handler
        return handler

    return register


def model(kind: type[M], row: Row) -> M:
    """A row as the model of the same shape."""
    return kind.model_validate(row)


def check_match(op: Patch[Any], kind: type[Model], row: Row) -> None:
    """Raises `PreconditionFailed` unless the row, which is locked, is as the caller read it."""
    if op.if_match is not None:
        op.check_match(model(kind, row))


def jsonable(value: Any) -> Any:
    """A model or decimal as plain JSON values, for a JSON column or an event."""
    return _ANY.dump_python(value, mode="json", by_alias=True)


_ANY: TypeAdapter[Any] = TypeAdapter(Any)

__all__ = [
    "HANDLERS",
    "HERE",
    "Context",
    "Origin",
    "Refused",
    "check_match",
    "handles",
    "jsonable",
    "model",
]
