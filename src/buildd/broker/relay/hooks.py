"""The sender of hooks: what an event is to those who asked for it, and the signed call that tells them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from http import HTTPStatus

from buildd.broker._context import Context
from buildd.broker.relay.pace import RelayPace
from buildd.broker.relay.senders import Answer, Draft, Send
from buildd.destinations import Destination
from buildd.errors import BuilddError
from buildd.events import Event, EventType
from buildd.ids import derived
from buildd.models import HookMessage
from buildd.models.hooks import ToldTask, ToldWorker
from buildd.states import DeliveryVerb, ErrorCode, TaskStatus
from buildd.store import Row, Transaction
from buildd.store.sql import deliveries as sql_deliveries
from buildd.store.sql import hooks as sql
from buildd.store.sql import tasks as sql_tasks
from buildd.store.sql import workers as sql_workers
from buildd.telling import HookType, TargetKind

Post = Callable[[Destination, Mapping[str, str], bytes], Awaitable[int]]
"""Sends a body and gives the status of the answer. Raises `BuilddError` if there was none."""

_PREFIX = "whsec_"
_OK = range(200, 300)
_REDIRECTS = range(300, 400)


class HookSender:
    """Calls the URLs of hooks."""

    kind = TargetKind.HOOK

    def __init__(self, post: Post, patience: float = RelayPace.patience) -> None:
        self._post = post
        self._patience = timedelta(seconds=patience)

    def since(self, tx: Transaction) -> int | None:
        """From when the first of the active hooks wants to be told."""
        row = tx.first(sql.SINCE)
        return None if row is None or row.seq is None else int(row.seq)

    def drafts(self, tx: Transaction, events: Sequence[Event]) -> Iterator[Draft]:
        """A message for each hook that wants to know of an event."""
        hooks = tx.all(sql.ACTIVE)
        for event in events:
            kind = type_of(event)
            wanted = [hook for hook in hooks if kind is not None and _wants(hook, kind, event)]
            if kind is not None and wanted:
                body = _message(tx, kind, event).model_dump_json(exclude_none=True)
                for hook in wanted:
                    yield Draft(hook.id, kind.value, event.seq, body)

    def prepare(self, ctx: Context, delivery: Row) -> Send | None:
        """A call that is signed now; None for a hook that is gone or was switched off."""
        hook = ctx.tx.first(sql.HOOK, id=delivery.target_id)
        if hook is None or not hook.active:
            return None
        body = delivery.body.encode()
        signed = sign(delivery.id, int(ctx.tx.now.timestamp()), body, secrets_of(ctx, hook))
        headers = {"content-type": "application/json", **signed}
        return partial(self._call, Destination.of(hook.url), headers, body)

    def settled(self, ctx: Context, delivery: Row, answer: Answer) -> None:
        """Note whether the hook works; one that does not for long, or is gone, is switched off."""
        if answer.verb is DeliveryVerb.DELIVER:
            ctx.tx.run(sql.WORKS_AGAIN, of=delivery.target_id, now=ctx.tx.now)
            return
        failing = ctx.tx.first(
            sql.FAILS, of=delivery.target_id, because=answer.error, now=ctx.tx.now
        )
        if failing is None:
            return
        if answer.status == HTTPStatus.GONE:
            switch_off(ctx, delivery.target_id, "it answered 410 Gone")
        elif ctx.tx.now - failing.failing_since >= self._patience:
            because = f"it took nothing for {self._patience.days} days: {answer.error}"
            switch_off(ctx, delivery.target_id, because)

    async def _call(self, there: Destination, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            status = await self._post(there, headers, body)
        except BuilddError as problem:
            return Answer.later(problem.message)
        if status in _OK:
            return Answer(DeliveryVerb.DELIVER, status)
        if status == HTTPStatus.GONE:
            return Answer.never("answered 410 Gone", status)
        why = ": redirects are not followed" if status in _REDIRECTS else ""
        return Answer.later(f"answered {status}{why}", status)


def switch_off(ctx: Context, hook_id: str, because: str) -> None:
    """Tell a hook nothing more, until somebody switches it on again."""
    ctx.tx.first(sql.DISABLE, of=hook_id, because=because, now=ctx.tx.now)
    call_off(ctx, hook_id, because)


def call_off(ctx: Context, hook_id: str, because: str) -> None:
    """Give up what is still to be sent to a hook."""
    ctx.tx.run(sql_deliveries.CALL_OFF, target=hook_id, because=because, now=ctx.tx.now)


def type_of(event: Event) -> HookType | None:
    """What an event is to those who have hooks, if it is anything."""
    data = event.data
    match event.type:
        case EventType.WORKER_WAITING:
            asked = data.get("waitingFor")
            about_money = isinstance(asked, dict) and asked.get("code") == _BUDGET
            return HookType.BUDGET if about_money else HookType.WAITING_INPUT
        case EventType.WORKER_COMPLETED:
            return HookType.COMPLETED
        case EventType.WORKER_ERROR if data.get("errorCode") == _BUDGET:
            return HookType.BUDGET
        case EventType.TASK_UPDATED if data.get("status") == TaskStatus.FAILED:
            return HookType.FAILED if "previousStatus" in data else None
        case _:
            return None


_BUDGET = ErrorCode.BUDGET_EXHAUSTED.value


def secret_of(ctx: Context, hook: Row, generation: int) -> str:
    """A hook's secret. It is worked out whenever it is needed, and stored nowhere."""
    key = derived(f"hook:{hook.id}:{generation}", ctx.pepper)
    return _PREFIX + base64.b64encode(key).decode()


def secrets_of(ctx: Context, hook: Row) -> list[str]:
    """What its deliveries are signed with: the secret, and while it is exchanged the one before."""
    overlaps = hook.overlap_until is not None and hook.overlap_until > ctx.tx.now
    generations = [hook.generation, hook.generation - 1] if overlaps else [hook.generation]
    return [secret_of(ctx, hook, each) for each in generations]


def sign(delivery_id: str, timestamp: int, body: bytes, secrets: Iterable[str]) -> dict[str, str]:
    """The three headers of Standard Webhooks."""
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    keys = (base64.b64decode(secret.removeprefix(_PREFIX)) for secret in secrets)
    made = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(each).decode()}" for each in made),
    }


def _wants(hook: Row, kind: HookType, event: Event) -> bool:
    here = hook.workspace_id is None or hook.workspace_id == event.workspace_id
    return bool(here and kind.value in hook.types and event.seq > hook.since_seq)


def _message(tx: Transaction, kind: HookType, event: Event) -> HookMessage:
    task = tx.first(sql_tasks.TASK_SEEN, id=event.task_id, viewer=None) if event.task_id else None
    worker = (
        tx.first(sql_workers.WORKER_SEEN, id=event.worker_id, viewer=None)
        if event.worker_id
        else None
    )
    return HookMessage(
        type=kind.value,
        timestamp=event.at,
        seq=event.seq,
        event=event.type.value,
        workspace_id=event.workspace_id,
        task_id=event.task_id,
        worker_id=event.worker_id,
        task=task and ToldTask.model_validate(task),
        worker=worker and ToldWorker.model_validate(worker),
        data=event.data,
    )
