"""The broker: executes operations for principals on a store. Client and server both stand on it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from buildd.blobs import FileLimits
from buildd.broker import _policy, fence, run_login
from buildd.broker._context import HERE, Caller, Context, Origin
from buildd.broker.audience import Audience
from buildd.broker.auditing import perform
from buildd.broker.dispatch import Dispatcher, Means, Pace
from buildd.broker.feed import Feed, Subscription
from buildd.broker.figures import Figures, Load, Standing, standing
from buildd.broker.files import Content, Files, Reception
from buildd.broker.github_source import Webhooks
from buildd.broker.housekeeping import Housekeeper
from buildd.broker.principals import (
    ADMIN,
    Doorkeeper,
    Principal,
    check_key,
    holder_of,
)
from buildd.broker.pull_requests import PullRequests
from buildd.broker.reaper import Reaper
from buildd.broker.relay import Relay, RelayPace, Sender
from buildd.broker.run_login import RunCredential, RunIdentity
from buildd.broker.sessions import Sessions
from buildd.broker.spans import traced
from buildd.broker.sweeping import Sweeper
from buildd.broker.waiting import WaitingRoom
from buildd.clock import Clock
from buildd.errors import BuilddError, ConfigError, NotAuthenticated, Unavailable
from buildd.events import Event, EventType, Filter
from buildd.lease import LeaseTimes
from buildd.models import Claim, Claimed
from buildd.operations import (
    CheckPool,
    ClaimTasks,
    CreateWorker,
    Download,
    OpenPullRequest,
    Operation,
    ReapPool,
    ReleaseTask,
    Upload,
)
from buildd.retention import Retention
from buildd.roles import Forge
from buildd.store import Database, Store, Transaction, blobs_of, database_of
from buildd.store.schema import HEAD
from buildd.store.sql import accounts as sql
from buildd.store.sql import figures as sql_figures

R = TypeVar("R")
T = TypeVar("T")

_SECRET = "secret"  # noqa: S105 - the name of the setting, not its value
MIN_ADMIN_KEY = 16


@dataclass(frozen=True)
class BrokerSettings:
    """What an installation may choose."""

    lease: LeaseTimes = field(default_factory=LeaseTimes)
    secret: bytes | None = field(default=None, repr=False)
    """Peppers stored keys; None for one that is made once and kept in the database."""
    admin_key: str | None = field(default=None, repr=False)
    """Opens everything; any string of at least 16 characters."""
    retention: Retention = field(default_factory=Retention)
    forge: Forge | None = None
    """Opens pull requests; None: this broker opens none."""
    means: Means | None = None
    """What agents are started with; None: this broker starts none, whatever pools there are."""
    pace: Pace = field(default_factory=Pace)
    public_url: str | None = None
    """The URL at which others reach the server; None: they are not told."""
    senders: tuple[Sender, ...] = ()
    """What others are told with; none: this broker tells nobody, whatever hooks there are."""
    relay_pace: RelayPace = field(default_factory=RelayPace)
    blobs: str | Path | None = None
    """Where the bytes of files are kept; None for beside the SQLite file, and on Postgres nowhere."""
    file_limits: FileLimits = field(default_factory=FileLimits)
    clock: Clock | None = None
    """Replaces the database's clock, for tests."""

    def __post_init__(self) -> None:
        if self.admin_key is not None and len(self.admin_key) < MIN_ADMIN_KEY:
            raise ConfigError(f"BUILDD_ADMIN_KEY needs at least {MIN_ADMIN_KEY} characters")


class Broker:
    """An open broker. Any thread may use it; it must not be carried over a fork."""

    def __init__(self, database: Database, settings: BrokerSettings) -> None:
        self.settings = settings
        self._process = os.getpid()
        self._store = Store(database, settings.clock)
        try:
            self._pepper = settings.secret or self._store.write(_pepper).result()
            self._doors = Doorkeeper(self._store, self._pepper, settings.admin_key)
            self.sessions = Sessions(self._store, self._doors, self._context, settings.admin_key)
            self.figures = Figures()
            self._waiting = WaitingRoom(self._claim_once, self._give_back)
            self._dispatcher = self._dispatch()
            self._relay = self._tell()
            self._feed = Feed(self._store, self._hear)
            self.webhooks = Webhooks(self._store, self._context, self._pepper)
            self._pull_requests = PullRequests(settings.forge, self._store, self._context)
            self.reaper = Reaper(
                self._store,
                settings.lease,
                self._pepper,
                settings.retention,
                came_due=self._waiting.poke_all,
            )
            blobs = blobs_of(database, settings.blobs)
            if blobs is not None and settings.blobs is not None:
                blobs.check()
            self._files = Files(self._store, self._context, blobs, settings.file_limits)
            self.housekeeper = Housekeeper(
                settings.lease.reap, self._doors.last_used.write, Sweeper(self._store, blobs).tidy
            )
        except BaseException:
            self._store.close()
            raise
        self.reaper.start()
        self.housekeeper.start()

    @classmethod
    def open(cls, url: str, settings: BrokerSettings | None = None) -> Broker:
        """Open a database, making or upgrading its schema. Raises `ConfigError` or `Unavailable`."""
        return cls(database_of(url), settings or BrokerSettings())

    def execute(self, operation: Operation[R], principal: Principal, origin: Origin = HERE) -> R:
        """Have an operation done and wait for its answer."""
        return self.submit(operation, principal, origin).result()

    def submit(
        self, operation: Operation[R], principal: Principal, origin: Origin = HERE
    ) -> Future[R]:
        """Have an operation done; never blocks. The future ends after the commit."""
        return traced(
            operation,
            principal,
            origin,
            lambda here: self._unless_refused(lambda: self._submit(operation, principal, here)),
        )

    def authenticate(self, key: str) -> Future[Principal]:
        """Who has this key. Raises `NotAuthenticated`."""
        return self._doors.admit(key)

    def log_in_run(
        self, run: RunIdentity, launch_id: str, origin: Origin = HERE
    ) -> Future[RunCredential]:
        """What a run may claim its launch's task with. Raises `NotAuthenticated`."""
        means = self.settings.means
        address = means.address if means else None
        return self._store.write(
            lambda tx: run_login.log_in(self._context(tx, ADMIN, origin), run, launch_id, address)
        )

    def subscribe(
        self,
        principal: Principal,
        after: int | None,
        wanted: Filter,
        notify: Callable[[], None],
    ) -> Future[Subscription]:
        """Listen to what the principal may see; `notify` says that there is something to drain."""
        self._here()
        _policy.check_listener(principal, wanted)
        audience = Audience(principal)

        def join(tx: Transaction) -> Subscription:
            audience.refresh(tx)
            listener = self._feed.join(tx, after, wanted, audience, notify)
            try:
                audience.refresh(tx)  # what changed before the feed knew whom to ask again
            except NotAuthenticated:
                listener.close()
                raise
            return listener

        return self._store.read(join)

    def receive(
        self, upload: Upload[R], principal: Principal, size: int = 0, origin: Origin = HERE
    ) -> Future[Reception[R]]:
        """Begin to take a file, of that many bytes if it is known. Never blocks."""
        return self._unless_refused(lambda: self._files.receive(upload, principal, size, origin))

    def open_file(self, download: Download, principal: Principal) -> Future[Content]:
        """Find a file. Never blocks."""
        return self._unless_refused(lambda: self._files.open(download, principal))

    def health(self) -> Future[None]:
        """Ends when the database has kept a write."""
        # A row of its own: two servers that look at once are not in each other's way.
        name = f"probe-{secrets.token_hex(8)}"

        def note(tx: Transaction) -> None:
            tx.run(sql.PUT_SETTING_ONCE, name=name, value="")
            tx.run(sql_figures.FORGET_SETTING, name=name)

        return self._store.write(note)

    def schema_stands(self) -> Future[bool]:
        """Whether the database's schema is the one that this version knows."""
        return self._store.read(lambda tx: tx.first(sql_figures.REVISION) == (HEAD,))

    def standing(self) -> Future[Standing]:
        """What the database says of the installation, in figures."""
        return self._store.read(lambda tx: standing(tx, self.position))

    def load(self) -> Load:
        """What waits, and what listens, in this process now."""
        return Load(
            claims=self._waiting.occupancy,
            writes=self._store.waiting,
            listeners=len(self._feed.listeners()),
            feed_silence=self._feed.silence,
            batches=self._store.batches.spread(),
        )

    def has_admin_key(self) -> Future[bool]:
        """Whether an administrator's key was minted."""
        return self._store.read(lambda tx: tx.first(sql.ADMIN_KEY) is not None)

    @property
    def position(self) -> int:
        """The `seq` of the last event that the feed has handed on."""
        return self._feed.position

    def close(self) -> None:
        """Finish what was accepted and stop."""
        if self._dispatcher:
            self._dispatcher.close()
        if self._relay:
            self._relay.close()
        self.reaper.close()
        self.housekeeper.close()
        self._waiting.close()
        self._pull_requests.close()
        self._feed.close()
        self._store.close()

    def _submit(self, operation: Operation[R], principal: Principal, origin: Origin) -> Future[R]:
        _policy.check(operation, principal)
        if isinstance(operation, ClaimTasks) and operation.wait_seconds:
            return cast("Future[R]", self._waiting.admit(operation, principal, origin))
        if isinstance(operation, OpenPullRequest):
            return cast("Future[R]", self._pull_requests.submit(operation, principal, origin))
        if self._dispatcher and isinstance(operation, CheckPool):
            return cast("Future[R]", self._dispatcher.check(operation, Caller(principal, origin)))
        if self._dispatcher and isinstance(operation, ReapPool):
            return cast("Future[R]", self._dispatcher.reap(operation, Caller(principal, origin)))
        return self._do(operation, principal, origin)

    def _unless_refused(self, call: Callable[[], Future[T]]) -> Future[T]:
        """What a call promises; what it raises at once is promised too."""
        try:
            self._here()
            return call()
        except BuilddError as error:
            refused: Future[T] = Future()
            refused.set_exception(error)
            return refused

    def _do(self, operation: Operation[R], principal: Principal, origin: Origin) -> Future[R]:
        work = partial(self._handle, operation, principal, origin)
        if operation.reads():
            return self._store.read(work)
        future = self._store.write(work, principal.account_id or "")
        if isinstance(operation, (ClaimTasks, CreateWorker)):
            self._claiming(future)
        return future

    def _claiming(self, call: Future[Any]) -> None:
        """Have a claim that is under way measured, and its leases known before they are used."""
        self.figures.claiming(call)
        call.add_done_callback(self._doors.introduce)

    def _handle(
        self, operation: Operation[Any], principal: Principal, origin: Origin, tx: Transaction
    ) -> Any:
        context = self._context(tx, principal, origin)
        if context.by_lease and operation.reads():
            fence.check_reader(context)
        return perform(context, operation)

    def _context(self, tx: Transaction, principal: Principal, origin: Origin = HERE) -> Context:
        settings = self.settings
        return Context(tx, principal, settings.lease, self._pepper, origin, settings.public_url)

    def _claim_once(
        self, operation: ClaimTasks, principal: Principal, origin: Origin
    ) -> Future[Claim]:
        """One try of a claim that waits; its key may have been revoked meanwhile."""

        def work(tx: Transaction) -> Any:
            check_key(tx, principal)
            return self._handle(operation, principal, origin, tx)

        try:
            attempt: Future[Claim] = self._store.write(work, principal.account_id or "")
            self._claiming(attempt)
            return attempt
        except BuilddError as error:
            refused: Future[Claim] = Future()
            refused.set_exception(error)
            return refused

    def _give_back(self, claimed: Claimed) -> None:
        """Nobody is there any more to hear of this claim."""
        release = ReleaseTask(id=claimed.task_id, reason="drain")
        self.submit(release, holder_of(claimed))

    def _dispatch(self) -> Dispatcher | None:
        if self.settings.means is None:
            return None
        context = partial(self._context, principal=ADMIN)
        return Dispatcher(self._store, context, self.settings.means, self.settings.pace)

    def _tell(self) -> Relay | None:
        if not self.settings.senders:
            return None
        context = partial(self._context, principal=ADMIN)
        return Relay(self._store, context, self.settings.senders, self.settings.relay_pace)

    def _hear(self, event: Event) -> None:
        self.figures.hear(event)
        self._waiting.hear(event)
        if self._dispatcher:
            self._dispatcher.hear(event)
        if self._relay:
            self._relay.hear(event)
        if event.type is EventType.ACCOUNT_UPDATED:
            self._doors.forget(event.account_id)
            self._recheck(event.account_id)

    def _recheck(self, account_id: str | None) -> None:
        self._feed.recheck(lambda each: each.audience.principal.account_id == account_id)

    def _here(self) -> None:
        if os.getpid() != self._process:
            raise Unavailable("this broker was opened before a fork: open one in each process")


def _pepper(tx: Transaction) -> bytes:
    """The installation's pepper, made by whichever broker opens the database first."""
    row = tx.first(sql.SETTING, name=_SECRET)
    if row is None:
        fresh = secrets.token_hex(32)
        tx.run(sql.PUT_SETTING_ONCE, name=_SECRET, value=fresh)
        row = tx.first(sql.SETTING, name=_SECRET)
    assert row is not None
    return bytes.fromhex(row.value)
