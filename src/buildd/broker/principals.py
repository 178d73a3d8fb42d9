"""Who is calling: resolved from a key once, remembered for a few seconds, forgotten when it is revoked."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from buildd.broker.last_used import LastUsed
from buildd.clock import elapsed
from buildd.errors import NotAuthenticated
from buildd.events import Filter
from buildd.ids import Secret, digest, secret_kind
from buildd.models import Claim, Claimed
from buildd.routing import AccountType
from buildd.scopes import ALL, Scope
from buildd.states import OVER
from buildd.store import Row, Store, Transaction
from buildd.store.sql import accounts as sql
from buildd.store.sql import pools as sql_pools
from buildd.store.sql import sessions as sql_sessions

_REMEMBER_SECONDS = 4.0
"""Less than the five seconds within which a revoked key must be refused everywhere."""
_REMEMBER_MOST = 10_000
_ONCE = {Secret.ACQUIRE: "acquisition", Secret.ENROL: "enrolment"}
"""Tokens that work once, as people call them."""
_OF_BROWSERS = {Secret.SESSION, Secret.TICKET}
"""Secrets that stand for a key, and are none."""


class PrincipalKind(StrEnum):
    """What a caller is."""

    ADMIN = "admin"
    ACCOUNT = "account"
    LEASE = "lease"
    ACQUIRE = "acquire"
    ENROL = "enrol"
    RUN = "run"
    SOURCE = "source"


@dataclass(frozen=True)
class Principal:
    """A caller: an administrator, an account by one of its keys, one attempt by its lease token.

    Or what was launched, by a token that works once: an agent that may acquire one task, or a machine
    that may enrol for a key. A run of GitHub Actions that logs in, and a source whose webhook was heard,
    are callers for the audit log alone: they may do nothing else.
    """

    kind: PrincipalKind
    account_id: str | None = None
    account_type: AccountType | None = None
    key_id: str | None = None
    scopes: frozenset[Scope] = ALL
    """What its key is good for; only keys are limited so."""
    worker_id: str | None = None
    task_id: str | None = None
    workspace_id: str | None = None
    epoch: int | None = None
    launch_id: str | None = None
    """The launch that a token is of, or that enrolled for a key."""
    token: str | None = field(default=None, repr=False)
    """The digest of a token that works once."""
    expires_at: datetime | None = None
    session: str | None = field(default=None, repr=False)
    """The digest of the session that stands for the key."""
    only: Filter | None = None
    """The one choice of events that a ticket is for, and good for nothing else."""

    @property
    def viewer(self) -> str | None:
        """The account whose grants bound what is seen; None sees all, a lease is bound elsewhere."""
        bound = self.kind in {PrincipalKind.ACCOUNT, PrincipalKind.ACQUIRE}
        return self.account_id if bound else None

    @property
    def name(self) -> str:
        """How the caller is named as an author."""
        return self.worker_id or self.account_id or PrincipalKind.ADMIN.value


ADMIN = Principal(PrincipalKind.ADMIN)
"""The owner of the database."""


class Doorkeeper:
    """Turns keys into principals."""

    def __init__(self, store: Store, pepper: bytes, admin_key: str | None) -> None:
        self._store = store
        self._pepper = pepper
        self._admin_key = admin_key
        self.last_used = LastUsed(store)
        self._known: dict[str, tuple[float, Principal]] = {}
        self._lock = threading.Lock()

    def admit(self, key: str) -> Future[Principal]:
        """Who has this key. Raises `NotAuthenticated`; a typo costs no query."""
        answer: Future[Principal] = Future()
        if self._admin_key and hmac.compare_digest(key.encode(), self._admin_key.encode()):
            answer.set_result(ADMIN)
            return answer
        kind = secret_kind(key)
        if kind is None or kind in _OF_BROWSERS:
            answer.set_exception(NotAuthenticated("this is not a buildd key"))
            return answer
        if kind in _ONCE:
            hashed = digest(key, self._pepper)
            return self._store.read(lambda tx: _launched(tx, kind, hashed))
        return self.remembered(key, lease_of if kind is Secret.LEASE else key_of)

    def remembered(
        self, secret: str, look_up: Callable[[Transaction, str], Principal | None]
    ) -> Future[Principal]:
        """Whose secret this is: as a moment ago, or else as is found by its digest."""
        hashed = digest(secret, self._pepper)
        known = self._recall(hashed)
        if known is None:
            return self._store.read(lambda tx: self._remember(tx, hashed, look_up(tx, hashed)))
        answer: Future[Principal] = Future()
        answer.set_result(known)
        return answer

    def introduce(self, claim: Future[Claim] | Future[Claimed]) -> None:
        """Know the leases that a claim is about to be answered with: their first use asks nobody."""
        if claim.cancelled() or claim.exception() is not None:
            return
        answer = claim.result()
        for each in answer.workers if isinstance(answer, Claim) else [answer]:
            hashed = digest(each.lease.token, self._pepper)
            self._keep(hashed, holder_of(each), _REMEMBER_SECONDS)

    def forget(self, account_id: str | None) -> None:
        """Look an account's keys up again: one was revoked, or its rights were changed."""
        with self._lock:
            self._known = {
                hashed: entry
                for hashed, entry in self._known.items()
                if entry[1].account_id != account_id
            }

    def _recall(self, hashed: str) -> Principal | None:
        with self._lock:
            until, principal = self._known.get(hashed, (0.0, ADMIN))
        if elapsed() >= until:
            return None
        self.last_used.note(principal.key_id)
        return principal

    def _remember(self, tx: Transaction, hashed: str, principal: Principal | None) -> Principal:
        if principal is None:
            raise NotAuthenticated("this key is unknown")
        self.last_used.note(principal.key_id)
        seconds = _REMEMBER_SECONDS
        if principal.expires_at is not None:
            seconds = min(seconds, (principal.expires_at - tx.now).total_seconds())
        self._keep(hashed, principal, seconds)
        return principal

    def _keep(self, hashed: str, principal: Principal, seconds: float) -> None:
        with self._lock:
            if len(self._known) >= _REMEMBER_MOST:
                self._known.clear()
            self._known[hashed] = (elapsed() + seconds, principal)


def check_key(tx: Transaction, principal: Principal) -> datetime | None:
    """When what a caller came with expires. Raises `NotAuthenticated` if it is over by now."""
    ends = None
    if principal.session is not None:
        ends = standing_session(tx, principal.session).expires_at
    if principal.key_id is not None:
        ends = earliest(ends, _standing(tx, tx.first(sql.KEY, id=principal.key_id)).expires_at)
    return ends


def standing_session(tx: Transaction, hashed: str) -> Row:
    """The row of a session. Raises `NotAuthenticated` if it is over."""
    row = tx.first(sql_sessions.SESSION, digest=hashed, now=tx.now)
    if row is None:
        raise NotAuthenticated("this session is over: log in again")
    return row


def earliest(*moments: datetime | None) -> datetime | None:
    """The first of the moments; None never comes."""
    return min((each for each in moments if each is not None), default=None)


def key_of(tx: Transaction, hashed: str) -> Principal:
    """Who a key, by its digest, belongs to. Raises `NotAuthenticated` if it is over."""
    row = _standing(tx, tx.first(sql.KEY_BY_DIGEST, digest=hashed))
    return Principal(
        PrincipalKind.ADMIN if row.account_id is None else PrincipalKind.ACCOUNT,
        account_id=row.account_id,
        account_type=None if row.account_id is None else AccountType(row.type),
        key_id=row.id,
        scopes=frozenset(map(Scope, row.scopes)),
        launch_id=row.launch_id,
        expires_at=row.expires_at,
    )


def _standing(tx: Transaction, key: Row | None) -> Row:
    if key is None:
        raise NotAuthenticated("this key is unknown")
    if key.revoked_at is not None:
        raise NotAuthenticated("this key was revoked")
    if key.expires_at is not None and key.expires_at <= tx.now:
        raise NotAuthenticated(f"this key expired at {key.expires_at:%Y-%m-%d %H:%M:%S} UTC")
    return key


def _launched(tx: Transaction, kind: Secret, hashed: str) -> Principal:
    """Whom a token lets in that works once; whether it was used, its use tells."""
    row = tx.first(sql_pools.TOKEN_BY_DIGEST, digest=hashed, kind=kind.name.lower())
    if row is None:
        raise NotAuthenticated(f"this {_ONCE[kind]} token is unknown")
    if row.expires_at <= tx.now:
        raise NotAuthenticated(f"this {_ONCE[kind]} token has expired")
    if row.status in OVER:
        raise NotAuthenticated(f"launch {row.launch_id} is {row.status}, and this token with it")
    return Principal(
        PrincipalKind(kind.name.lower()),
        account_id=row.account_id,
        account_type=AccountType(row.type),
        task_id=row.task_id,
        workspace_id=row.workspace_id,
        launch_id=row.launch_id,
        token=hashed,
        expires_at=row.expires_at,
    )


def holder_of(claimed: Claimed) -> Principal:
    """The attempt that a claim has begun."""
    return Principal(
        PrincipalKind.LEASE,
        account_id=claimed.worker.account_id,
        worker_id=claimed.id,
        task_id=claimed.task_id,
        workspace_id=claimed.worker.workspace_id,
        epoch=claimed.lease.epoch,
    )


def lease_of(tx: Transaction, hashed: str) -> Principal | None:
    """The attempt that a lease token, by its digest, belongs or belonged to."""
    row = tx.first(sql.LEASE_BY_DIGEST, digest=hashed)
    return None if row is None else leaseholder(row)


def leaseholder(row: Row) -> Principal:
    """The attempt of a row of `LEASE_BY_DIGEST`."""
    return Principal(
        PrincipalKind.LEASE,
        account_id=row.account_id,
        worker_id=row.worker_id,
        task_id=row.task_id,
        workspace_id=row.workspace_id,
        epoch=row.epoch,
    )
