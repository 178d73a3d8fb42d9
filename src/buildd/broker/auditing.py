"""Which calls are put on record, and in what words: one entry each, in the transaction of what it did.

What an attempt says under its lease token is told by the events; of that only what decides about its
task, or reaches beyond buildd, is put on record too. What the broker does by itself is events alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from buildd import operations as ops
from buildd.broker._context import HANDLERS, Context, Refused, handles, model
from buildd.broker.principals import PrincipalKind
from buildd.models import AuditEntry, Claim
from buildd.operations import Operation, Transfer
from buildd.store.sql import audit_log as sql

Call = Operation[Any] | Transfer

DONE = "done"
DECIDING: frozenset[type[Call]] = frozenset(
    {ops.CompleteWorker, ops.FailWorker, ops.ReleaseTask, ops.OpenPullRequest}
)
"""What goes on record although an attempt says it."""
APART: frozenset[type[Call]] = frozenset({ops.ReportWorkers})
"""What consists of calls that go on record one by one."""

SHORT = 16
"""Digits of a session's digest that name it in the log."""

_NEVER = 2**53
"""A `seq` that no entry reaches."""
_ID = re.compile(r"[a-z]+_[0-9a-z]{26}")
_ANSWERED = ("id", "task_id", "key_id")
"""Of an answer, what names the thing that was made or changed."""


def is_audited(call: type[Call], by: PrincipalKind) -> bool:
    """Whether such a call by such a caller leaves an entry, if it is accepted."""
    if call.http.method is ops.Method.GET or call in APART:
        return False
    return by is not PrincipalKind.LEASE or call in DECIDING


def perform(ctx: Context, operation: Operation[Any]) -> Any:
    """Have an operation's handler do it, and put it on record."""
    answer = HANDLERS[type(operation)](ctx, operation)
    if not isinstance(answer, Claim) or answer.workers:
        record(ctx, operation, answer)
    return answer


def record(ctx: Context, call: Call, answer: object) -> None:
    """Put a call on record that was accepted: with what it named, and what it was answered with."""
    if not is_audited(type(call), ctx.principal.kind):
        return
    subjects = dict.fromkeys([*_ids(call, _naming(type(call))), *_answered(answer)])
    outcome = answer.error.code if isinstance(answer, Refused) else DONE
    arguments = call.model_dump_json(exclude_unset=True)
    note(ctx, _action(type(call)), subjects, arguments, outcome)


def note(
    ctx: Context,
    action: str,
    subjects: Iterable[str],
    arguments: str = "",
    outcome: str = DONE,
) -> None:
    """Put anything on record that somebody had done. The arguments must hold no secret."""
    who, where = ctx.principal, ctx.origin
    ctx.tx.entries.append(
        {
            "at": ctx.tx.now,
            "actor": who.kind.value,
            "account_id": who.account_id,
            "key_id": who.key_id,
            "session": who.session and who.session[:SHORT],
            "worker_id": who.worker_id,
            "launch_id": who.launch_id,
            "action": action,
            "subjects": " ".join(subjects),
            "outcome": outcome,
            "request_id": where.request_id,
            "address": where.address,
            "digest": hashlib.sha256(arguments.encode()).hexdigest(),
        }
    )


@handles(ops.ListAuditEntries)
def list_audit_entries(ctx: Context, op: ops.ListAuditEntries) -> list[AuditEntry]:
    """A page of entries."""
    before = _NEVER if op.cursor is None else int(op.cursor)
    found = ctx.tx.all(sql.ENTRIES, before=before, about=op.about, action=op.action, limit=op.limit)
    return [model(AuditEntry, row) for row in found]


def _answered(answer: object) -> Iterator[str]:
    made = answer.workers if isinstance(answer, Claim) else answer
    for each in made if isinstance(made, list) else [made]:
        yield from _ids(each, _ANSWERED)


def _ids(thing: object, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        value = getattr(thing, name, None)
        if isinstance(value, str) and _ID.fullmatch(value):
            yield value


@cache
def _action(call: type[Call]) -> str:
    """How it is named in the log: by its `operationId`."""
    return call.__name__[0].lower() + call.__name__[1:]


@cache
def _naming(call: type[Call]) -> tuple[str, ...]:
    """The fields that name what a call is about."""
    return tuple(name for name in call.model_fields if name == "id" or name.endswith("_id"))
