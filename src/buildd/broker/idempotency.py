"""Requests that may be sent again: the first answer is kept for a day and given again (R12)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from buildd.broker._context import Context, jsonable
from buildd.errors import Invalid
from buildd.operations import IDEMPOTENCY_FIELD, Operation
from buildd.store.sql import idempotency as sql

R = TypeVar("R")

KEPT = timedelta(hours=24)


def fingerprint(operation: Operation[Any]) -> str:
    """A request in short, to recognise it when it comes again."""
    fields = operation.model_dump(mode="json", exclude={IDEMPOTENCY_FIELD})
    body = json.dumps([type(operation).__name__, fields], sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()


def once(ctx: Context, operation: Operation[R], do: Callable[[], R]) -> R:
    """Do it, unless this principal sent the same key before: then answer as then.

    The row is written first: of two that come at the same time, the second waits for the first to
    commit. Raises `Invalid` if the key came with another request.
    """
    key = getattr(operation, IDEMPOTENCY_FIELD)
    if key is None:
        return do()
    about = {"principal": ctx.principal.name, "key": key}
    request = fingerprint(operation)
    ctx.tx.run(sql.FORGET_OLD, before=ctx.tx.now - KEPT, **about)
    if ctx.tx.touch(sql.REMEMBER, request=request, answer=None, created_at=ctx.tx.now, **about):
        answer = do()
        ctx.tx.run(sql.KEEP_ANSWER, given=jsonable(answer), **about)
        return answer
    row = ctx.tx.first(sql.REMEMBERED, **about)
    if row is None or row.request != request:
        raise Invalid.field("Idempotency-Key", "was used with another request")
    first: R = operation.answer().validate_python(row.answer)
    return first
