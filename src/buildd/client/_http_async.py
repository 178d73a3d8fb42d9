"""The transport to a server, and the only code that knows the HTTP library.

`_http_sync.py` is made from this file.

Questions are asked up to three times, and so is what carries an idempotency key. Other verbs are
sent once: when the answer is lost, only the caller can look whether it happened, and is told so by
`OutcomeUnknown`. What a rate limit refused did not happen, and is sent again when the server said.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import aclosing
from itertools import islice
from typing import Any, TypeVar

import anyio
import httpx2
import pydantic_core
from pydantic import TypeAdapter, ValidationError

from buildd import errors, tracing, wire
from buildd.client._resume import SEQ_HEADER, Cursor, asked_pause, given_pause, pauses
from buildd.events import Event, Filter
from buildd.loopback import is_loopback
from buildd.operations import IDEMPOTENCY_FIELD, ClaimTasks, Download, Operation, Upload

R = TypeVar("R")

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
SILENCE_SECONDS = 45.0
"""Three missed pings of an event stream: the server is gone, though the connection seems open."""

READ_RETRIES = 2
NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)
LONGEST_PAUSE = 30.0
"""Who is asked to wait longer decides for himself."""
TOO_MANY_REQUESTS = 429
GATEWAY_STATUSES = {502, 503, 504}

_JSON = {"Content-Type": "application/json"}

KEEP_ALIVE_SECONDS = 30.0
"""Less than servers and gateways keep an idle connection, so that no verb meets its end."""


class AsyncHttpTransport:
    """Carries operations to the server at an address, under a key."""

    def __init__(
        self, address: str, key: str | None = None, pool: httpx2.AsyncClient | None = None
    ) -> None:
        self.address = address
        self.key = key
        self._opened_pool = pool is None
        self._pool = _open(address) if pool is None else pool

    async def send(self, operation: Operation[R]) -> R:
        """Have one operation done. Raises the `buildd.errors` class that the broker raised."""
        repeatable = operation.reads() or getattr(operation, IDEMPOTENCY_FIELD, None)
        for pause in islice(pauses(0.2, 2), READ_RETRIES):
            try:
                return await self._send_once(operation)
            except (errors.RateLimited, errors.Unavailable) as problem:
                asked = asked_pause(problem)
                refused = bool(asked) and isinstance(problem, errors.RateLimited)
                if not (repeatable or refused) or asked > LONGEST_PAUSE:
                    raise
            await anyio.sleep(asked + pause)
        return await self._send_once(operation)

    async def upload(self, upload: Upload[R], content: AsyncIterable[bytes]) -> R:
        """Send a file, piece by piece. It is sent once."""
        request = wire.encode(upload)
        try:
            response = await self._pool.request(
                request.method,
                request.path,
                params=request.query,
                content=content,
                headers=self._headers(request.headers),
                timeout=_timeout(ANSWER_SECONDS),
            )
        except httpx2.RequestError as problem:
            raise self._broken(problem, reads=False) from problem
        kind: TypeAdapter[R] = TypeAdapter(upload.answers)
        return self._answer(response, kind, reads=False)

    async def download(self, download: Download) -> AsyncGenerator[bytes, None]:
        """Receive a file, piece by piece."""
        request = wire.encode(download)
        try:
            async with self._pool.stream(
                request.method,
                request.path,
                headers=self._headers({}),
                timeout=_timeout(ANSWER_SECONDS),
            ) as response:
                if not response.is_success:
                    await response.aread()
                self._refuse(response, reads=True)
                async for data in response.aiter_bytes():
                    yield data
        except httpx2.RequestError as problem:
            raise self._broken(problem, reads=True) from problem

    async def events(self, after: int | None, wanted: Filter) -> AsyncGenerator[Event, None]:
        """Events after a `seq`, for ever.

        The first connection is a question like any other; once one stood, it is resumed until it
        stands again or the server refuses the key.
        """
        cursor = Cursor(after, wanted)
        again: Iterator[float] = islice(pauses(0.2, 2), READ_RETRIES)
        while not self._pool.is_closed:
            try:
                async with aclosing(self._stream(cursor)) as stream:
                    async for event in stream:
                        again = pauses(0.2, 15)
                        if event is not None:
                            yield event
            except (errors.Unavailable, errors.RateLimited) as problem:
                pause, asked = next(again, None), asked_pause(problem)
                if pause is None:
                    raise
                await anyio.sleep(asked + pause)

    def with_key(self, key: str) -> AsyncHttpTransport:
        """The same connections with another credential."""
        return AsyncHttpTransport(self.address, key, self._pool)

    async def aclose(self) -> None:
        """Close the connections, if this transport opened them."""
        if self._opened_pool:
            await self._pool.aclose()

    async def _send_once(self, operation: Operation[R]) -> R:
        request = wire.encode(operation)
        wait = operation.wait_seconds if isinstance(operation, ClaimTasks) else 0
        try:
            response = await self._pool.request(
                request.method,
                request.path,
                params=request.query,
                content=request.body,
                headers=self._headers({**request.headers, **(_JSON if request.body else {})}),
                timeout=_timeout(ANSWER_SECONDS + wait),
            )
        except httpx2.RequestError as problem:
            raise self._broken(problem, reads=operation.reads()) from problem
        kind: TypeAdapter[R] = operation.answer()
        return self._answer(response, kind, reads=operation.reads())

    def _answer(self, response: httpx2.Response, kind: TypeAdapter[R], *, reads: bool) -> R:
        self._refuse(response, reads=reads)
        try:
            answer: R = kind.validate_json(response.content)
        except ValidationError as problem:
            raise self._strange("sent something else", reads=reads) from problem
        return answer

    async def _stream(self, cursor: Cursor) -> AsyncGenerator[Event | None, None]:
        """The events of one connection; the first item, None, says that it stands."""
        try:
            async with self._pool.sse(
                "/api/events",
                params=cursor.query(),
                headers=self._headers(cursor.headers()),
                timeout=_timeout(SILENCE_SECONDS),
                max_event_size=2 * wire.BODY_LIMIT,
            ) as source:
                if not source.response.is_success:
                    await source.response.aread()
                    self._refuse(source.response, reads=True)
                cursor.opened(source.response.headers.get(SEQ_HEADER))
                yield None
                async for frame in source:
                    if frame.data:
                        yield cursor.read(frame.id, frame.data)
        except (httpx2.SSEError, ValidationError) as problem:
            raise self._strange("sent something else", reads=True) from problem
        except httpx2.RequestError as problem:
            raise self._broken(problem, reads=True) from problem
        raise errors.Unavailable(f"{self.address} ended the stream of events")

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        if self._pool.is_closed:
            raise errors.ConfigError("this client is closed")
        key = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        return {**key, **tracing.headers(), **more}

    def _refuse(self, response: httpx2.Response, *, reads: bool) -> None:
        """Raise what a response says went wrong, if it says so."""
        if response.is_success:
            return
        try:
            document: Any = pydantic_core.from_json(response.content)
        except ValueError:
            document = None
        pause = given_pause(response.headers.get("retry-after"))
        if isinstance(document, dict) and "code" in document:
            raise wire.error_of(response.status_code, {**pause, **document})
        if response.status_code == TOO_MANY_REQUESTS:
            raise errors.RateLimited(f"{self.address}: too many requests", **pause)
        if response.status_code in GATEWAY_STATUSES:
            raise self._unclear(f"a gateway answered {response.status_code}", reads=reads)
        raise self._strange(f"answered {response.status_code}", reads=reads)

    def _broken(self, problem: httpx2.RequestError, *, reads: bool) -> errors.BuilddError:
        if isinstance(problem, NOT_SENT):
            why = str(problem) or "timed out"
            return errors.Unreachable(
                f"no server answers at {self.address} ({why}): is `buildd server` running there?"
            )
        if isinstance(problem, httpx2.TimeoutException):
            return self._unclear("no answer came in time", reads=reads)
        return self._unclear("the connection broke before the answer", reads=reads)

    def _strange(self, what: str, *, reads: bool) -> errors.BuilddError:
        if reads:
            return errors.ConfigError(
                f"what answers at {self.address} is no buildd server of this version: it {what}"
            )
        return self._unclear(f"no buildd server of this version answered, it {what}", reads=False)

    def _unclear(self, what: str, *, reads: bool) -> errors.BuilddError:
        if reads:
            return errors.Unavailable(f"{self.address}: {what}")
        return errors.OutcomeUnknown(
            f"{self.address}: {what}, so it may have happened: look before you repeat it"
        )


def _open(address: str) -> httpx2.AsyncClient:
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL:
        raise errors.ConfigError("the server's URL is malformed") from None
    # Certificates take a tenth of a second to load. Plain HTTP needs none: it gets an empty set.
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.scheme == "http" else True
    return httpx2.AsyncClient(
        base_url=url,
        verify=plain,
        trust_env=not is_loopback(url.host),
        limits=httpx2.Limits(max_connections=None, keepalive_expiry=KEEP_ALIVE_SECONDS),
    )


def _timeout(answer: float) -> httpx2.Timeout:
    return httpx2.Timeout(CONNECT_SECONDS, read=answer)
