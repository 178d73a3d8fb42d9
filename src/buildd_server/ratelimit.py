"""How much a caller may ask for: so many requests in a second, and so much at a time.

It is all in memory, and of one process: N servers behind a proxy allow N times as much.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from buildd import errors
from buildd.broker import Principal
from buildd.clock import elapsed
from buildd_server.addresses import client_address, household
from buildd_server.dashboard import ASSETS
from buildd_server.problems import on_buildd_error

BURST_SECONDS = 4
"""A caller that was quiet may ask for what it has saved up in this time at once."""
FAILURES_PER_SECOND, FAILURES_AT_ONCE = 1.0, 30.0
"""Keys from one address that may turn out wrong."""
MOST_BUCKETS = 10_000
BYTES = 16 * 1024
"""A body costs as much as a request for each of these: it takes as much work to read."""
CHARGE = "buildd.charge"
"""Where in the scope is found what to tell the size of a body to."""
ASKED = "buildd.asked"
"""Where in the scope is found that it was asked whose key this is: elsewhere, 401 says nothing of it."""
_UNAUTHORIZED = 401


class Buckets:
    """Token buckets by name. A full one is forgotten; of too many, the one longest unused."""

    def __init__(
        self,
        rate: float,
        burst: float,
        now: Callable[[], float] = elapsed,
        most: int = MOST_BUCKETS,
    ) -> None:
        self._each = 1 / rate
        self._span = burst / rate
        self._now = now
        self._most = most
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, name: str) -> float:
        """Take a token. If there was none, nothing is taken, and it is told in how many seconds."""
        now = self._now()
        full_at = max(self._full_at.get(name, now), now) + self._each
        wait = full_at - now - self._span
        if wait <= 0:
            self._keep(name, full_at)
        return max(wait, 0.0)

    def charge(self, name: str, count: float) -> None:
        """Take tokens for what is done already, there or not: the next ones come later."""
        now = self._now()
        self._keep(name, max(self._full_at.get(name, now), now) + count * self._each)

    def wait(self, name: str) -> float:
        """The same without taking any."""
        now = self._now()
        return max(self._full_at.get(name, now) + self._each - now - self._span, 0.0)

    def forget(self, name: str) -> None:
        """Begin anew."""
        self._full_at.pop(name, None)

    def __contains__(self, name: str) -> bool:
        return name in self._full_at

    def __len__(self) -> int:
        return len(self._full_at)

    def _keep(self, name: str, full_at: float) -> None:
        self._full_at[name] = full_at
        self._full_at.move_to_end(name)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)


class RateLimits:
    """Stands before everything: a key is limited by itself, and strangers by where they come from.

    A key is known here once it opened something. Who comes with others, and is wrong too often, has
    to wait with those; a known key from the same address goes on working.
    """

    def __init__(self, app: ASGIApp, rate: float, cookie: str, *, strangers: bool = True) -> None:
        self._app = app
        self._cookie = cookie
        self._keys = Buckets(rate, BURST_SECONDS * rate)
        self._strangers = Buckets(rate, BURST_SECONDS * rate) if strangers else None
        self._failures = Buckets(FAILURES_PER_SECOND, FAILURES_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 429."""
        # A page has dozens of files, and to hand one out is no more work than to refuse it.
        if scope["type"] != "http" or scope["path"].startswith(ASSETS):
            await self._app(scope, receive, send)
            return
        key = _fingerprint(_credential(scope, self._cookie))
        address = household(client_address(scope))
        wait = self._admit(key, address)
        if wait:
            error = errors.RateLimited("too many requests", retryAfter=math.ceil(wait))
            response = await on_buildd_error(Request(scope), error)
            await response(scope, receive, send)
            return

        if key is not None and key in self._keys:
            scope[CHARGE] = lambda size: self._keys.charge(key, size / BYTES)

        async def learning(message: Message) -> None:
            if key is not None and message["type"] == "http.response.start":
                self._learn(key, address, scope, message["status"])
            await send(message)

        await self._app(scope, receive, learning)

    def _admit(self, key: str | None, address: str) -> float:
        if key is not None and key in self._keys:
            return self._keys.take(key)
        wrong = 0.0 if key is None else self._failures.wait(address)
        if wrong or self._strangers is None:
            return wrong
        return self._strangers.take(address)

    def _learn(self, key: str, address: str, scope: Scope, status: int) -> None:
        if status == _UNAUTHORIZED and ASKED in scope:
            self._keys.forget(key)
            self._failures.take(address)
        elif "principal" in scope and key not in self._keys:
            self._keys.take(key)


class Room:
    """So much at a time: for everybody together, and for each."""

    def __init__(self, most: int, each: int, what: str) -> None:
        self._most = most
        self._each = each
        self._what = what
        self._taken: dict[str, int] = {}
        self.total = 0

    @contextmanager
    def one(self, who: str) -> Iterator[None]:
        """Have one of them while the block runs. Raises `RateLimited`, or `Unavailable` when full."""
        self.take(who)
        try:
            yield
        finally:
            self.give_back(who)

    def take(self, who: str, count: int = 1) -> None:
        """Take some, until they are given back. Raises as `one` does."""
        mine = self._taken.get(who, 0) + count
        if mine > self._each:
            raise errors.RateLimited(f"you have {self._each} {self._what} at a time", retryAfter=5)
        if self.total + count > self._most:
            raise errors.Unavailable(f"this server has {self._most} {self._what} at a time")
        self._taken[who] = mine
        self.total += count

    def give_back(self, who: str, count: int = 1) -> None:
        """Let others have them."""
        self.total -= count
        self._taken[who] -= count
        if not self._taken[who]:
            del self._taken[who]


def sharer(scope: Scope) -> str:
    """Who has one share of a room: an account with all its keys and attempts, or an address."""
    who: Principal | None = scope.get("principal")
    return (who.account_id or who.name) if who else household(client_address(scope))


def _credential(scope: Scope, cookie: str) -> str | None:
    """What a request says who it is by, read as the gate reads it; None if it says nothing.

    Else each spelling of a key, and each cookie beside a session, would be a caller of its own.
    """
    request = HTTPConnection(scope)
    header = request.headers.get("authorization")
    if header is None:
        return request.cookies.get(cookie)
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else header


def _fingerprint(credential: str | None) -> str | None:
    """What a credential is remembered by."""
    if credential is None:
        return None
    return hashlib.blake2b(credential.encode(), digest_size=16).hexdigest()
