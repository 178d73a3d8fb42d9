"""Browsers: a session stands for the key that it was begun with, a ticket for one stream of events.

Neither outlives its key. For the key from the environment, which no row knows, they keep a proof
that only whoever presents the secret can have compared: a stolen database helps nobody to guess it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from buildd.broker import _policy, auditing
from buildd.broker._context import HERE, Context, Origin, jsonable
from buildd.broker.accounts import announce
from buildd.broker.principals import (
    ADMIN,
    Doorkeeper,
    Principal,
    check_key,
    earliest,
    key_of,
    standing_session,
)
from buildd.errors import NotAuthenticated, Unavailable
from buildd.events import Filter
from buildd.ids import Secret, digest, new_secret, secret_kind
from buildd.store import Row, Store, Transaction
from buildd.store.sql import accounts as sql_accounts
from buildd.store.sql import sessions as sql

IDLE = timedelta(hours=12)
"""How long a session lives that nobody uses."""
LONGEST = timedelta(days=30)
"""How long one lives at most."""
TICKET = timedelta(seconds=60)
MOST_SESSIONS = 50
"""Sessions of one account, or of one administrator's key; the oldest give way."""
MOST_TICKETS = 100
RENEW = timedelta(minutes=5)
"""By how much a session is used up before its end is written anew."""


@dataclass(frozen=True)
class Issued:
    """A secret just made, shown this once, and when it ends if nobody uses it."""

    secret: str = field(repr=False)
    expires_at: datetime


class Sessions:
    """Makes sessions and tickets, and tells whose they are."""

    def __init__(
        self,
        store: Store,
        doors: Doorkeeper,
        context: Callable[[Transaction, Principal, Origin], Context],
        admin_key: str | None,
    ) -> None:
        self._store = store
        self._doors = doors
        self._context = context
        self._admin_key = admin_key or ""

    def begin(self, principal: Principal, origin: Origin = HERE) -> Future[Issued]:
        """A session for whoever came with a key. Raises `Forbidden` for tokens."""
        _policy.check_person(principal)
        return self._store.write(lambda tx: self._begin(self._context(tx, principal, origin)))

    def admit(self, secret: str) -> Future[Principal]:
        """Whose session this is, which lives on by that. Raises `NotAuthenticated`."""
        if secret_kind(secret) is not Secret.SESSION:
            return _refused("this is not a session of buildd")
        return self._doors.remembered(secret, partial(self._find, secret))

    def end(self, principal: Principal, origin: Origin = HERE) -> Future[None]:
        """End the session that a caller came with, and its streams, on every server."""

        def work(tx: Transaction) -> None:
            ctx = self._context(tx, principal, origin)
            if tx.touch(sql.END_SESSION, of=principal.session):
                auditing.note(ctx, "endSession", [])
                announce(ctx, principal.account_id)

        ended = self._store.write(work)
        ended.add_done_callback(lambda _: self._doors.forget(principal.account_id))
        return ended

    def issue_ticket(self, principal: Principal, wanted: Filter) -> Future[Issued]:
        """A ticket for one stream of what the caller may see. Raises `Forbidden` for tokens."""
        _policy.check_person(principal)
        _policy.check_listener(principal, wanted)
        return self._store.write(lambda tx: self._issue(self._context(tx, principal, HERE), wanted))

    def redeem(self, secret: str) -> Future[Principal]:
        """Who may open the ticket's stream, for the one time. Raises `NotAuthenticated`."""
        if secret_kind(secret) is not Secret.TICKET:
            return _refused("this is not a ticket of buildd")
        return self._store.write(lambda tx: self._use(self._context(tx, ADMIN, HERE), secret))

    def _begin(self, ctx: Context) -> Issued:
        secret, row = self._made(ctx, Secret.SESSION, IDLE)
        ctx.tx.run(sql.INSERT_SESSION, **row)
        began = replace(ctx, principal=replace(ctx.principal, session=row["digest"]))
        auditing.note(began, "beginSession", [])
        if ctx.tx.touch(sql.TRIM_SESSIONS, of=row["holder"], keep=MOST_SESSIONS):
            announce(ctx, ctx.principal.account_id)
        until: datetime = row["expires_at"]
        return Issued(secret, min(until, ctx.principal.expires_at or until))

    def _find(self, secret: str, tx: Transaction, hashed: str) -> Principal:
        row = standing_session(tx, hashed)
        until = min(tx.now + IDLE, row.created_at + LONGEST)
        if until - row.expires_at > RENEW:
            self._renew(hashed, until)
        principal = self._holder(tx, row, secret)
        return replace(principal, session=hashed, expires_at=earliest(until, principal.expires_at))

    def _renew(self, hashed: str, until: datetime) -> None:
        """Note that it is used, while whoever uses it goes ahead."""
        with suppress(Unavailable):
            self._store.write(
                lambda tx: tx.run(sql.RENEW_SESSION, of=hashed, until=until, now=tx.now)
            )

    def _issue(self, ctx: Context, wanted: Filter) -> Issued:
        secret, row = self._made(ctx, Secret.TICKET, TICKET)
        session = ctx.principal.session
        ctx.tx.run(sql.INSERT_TICKET, **row, session=session, wanted=jsonable(wanted))
        ctx.tx.run(sql.TRIM_TICKETS, of=row["holder"], keep=MOST_TICKETS)
        return Issued(secret, row["expires_at"])

    def _use(self, ctx: Context, secret: str) -> Principal:
        row = ctx.tx.first(sql.USE_TICKET, of=digest(secret, ctx.pepper))
        if row is None:
            raise NotAuthenticated("this ticket is unknown, or was used")
        if row.expires_at <= ctx.tx.now:
            raise NotAuthenticated("this ticket has expired")
        wanted = Filter.model_validate(row.wanted)
        holder = self._holder(ctx.tx, row, secret)
        principal = replace(holder, session=row.session, only=wanted)
        return replace(principal, expires_at=check_key(ctx.tx, principal))

    def _made(self, ctx: Context, kind: Secret, life: timedelta) -> tuple[str, dict[str, Any]]:
        principal, secret = ctx.principal, new_secret(kind)
        return secret, {
            "digest": digest(secret, ctx.pepper),
            "holder": principal.account_id or principal.key_id or principal.name,
            "key_id": principal.key_id,
            "proof": None if principal.key_id else self._proof(secret),
            "expires_at": ctx.tx.now + life,
            "created_at": ctx.tx.now,
        }

    def _holder(self, tx: Transaction, row: Row, secret: str) -> Principal:
        if row.key_id is not None:
            return key_of(tx, tx.all(sql_accounts.KEY, id=row.key_id)[0].digest)
        ended = not self._admin_key and tx.first(sql_accounts.ADMIN_KEY) is not None
        if ended or not hmac.compare_digest(row.proof, self._proof(secret)):
            raise NotAuthenticated("the administrator's key was changed since: log in again")
        return ADMIN

    def _proof(self, secret: str) -> str:
        return digest(self._admin_key, secret.encode())


def _refused(reason: str) -> Future[Principal]:
    refused: Future[Principal] = Future()
    refused.set_exception(NotAuthenticated(reason))
    return refused
