"""Connections that nobody holds for nothing: uvicorn's, with limits on number, head and time.

uvicorn waits for ever for a head, for what is left of a body that was refused, and for a reader that
does not read; and it keeps as much of a head, or as many requests sent ahead, as come.
"""

from __future__ import annotations

import asyncio
import resource
from contextlib import suppress
from typing import Any

import pydantic_core
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from buildd import wire

HEAD_SECONDS = 20.0
"""From the first byte of a head, or from the connection, until the head is complete."""
LINGER_SECONDS = 5.0
"""How long the rest of a body is read after its answer, so that its sender can read that."""
READ_SECONDS = 60.0
"""How long a reader may let what is sent to it pile up."""
HEAD_LIMIT = 64 * 1024
"""Bytes of a head, and of whatever else comes in one piece and is no body."""
SENT_AHEAD = 8
"""Requests on one connection that wait for the answer to the one before."""
QUERY_FIELDS = 100
"""Fields of a query; no route has nearly as many."""
MOST_CONNECTIONS = 16_000
"""For 10,000 agents that wait, 5,000 streams and whoever asks; 7 kB each while nothing is asked on it."""
MOST_IDLE = 6_000
"""Of these so many on which nothing is asked: whatever is asked has limits of its own."""
MALFORMED = (400, "malformed", "this is no HTTP request")
TOO_MANY = (400, "malformed", f"more than {SENT_AHEAD} requests before the answer to the first")
TOO_MANY_FIELDS = (400, "malformed", f"the query has more than {QUERY_FIELDS} fields")
TOO_LARGE = (431, "head_too_large", "the head of the request is too large")
FULL = (503, "unavailable", "the server has no connection left")
_OF_FILES = 0.75
"""The part of the files a process may have open that are connections."""


def allow_files() -> None:
    """Let this process open as many files as its connections need, where that is for it to decide."""
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = int(MOST_CONNECTIONS / _OF_FILES) + 1
    if resource.RLIM_INFINITY != files < wanted:
        allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        with suppress(ValueError, OSError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))


def most_connections() -> int:
    """How many connections a server holds: of its files, some are the database's and others'."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MOST_CONNECTIONS, int(files * _OF_FILES))


class Waiting:
    """The connections that wait for their client to ask for something, longest first."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most_connections() if most is None else most
        self._idle: dict[Connection, None] = {}

    def add(self, connection: Connection) -> None:
        """It waits from now on."""
        self._idle.pop(connection, None)
        self._idle[connection] = None

    def discard(self, connection: Connection) -> None:
        """It waits no longer."""
        self._idle.pop(connection, None)

    def longest(self) -> Connection | None:
        """Whoever has been waiting the longest."""
        return next(iter(self._idle), None)

    def __len__(self) -> int:
        return len(self._idle)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._idle


class Connection(HttpToolsProtocol):
    """One client's connection."""

    def __init__(self, waiting: Waiting, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._waiting = waiting
        self._stray = 0
        self._in_body = False
        self._why: tuple[int, str, str] = MALFORMED
        self._client_timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None

    # What the transport tells.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it; where there is no room, in the place of the one that has waited the longest."""
        super().connection_made(transport)
        if len(self.connections) > self._waiting.most or len(self._waiting) >= MOST_IDLE:
            longest = self._waiting.longest()
            if longest is None:
                self._refuse(*FULL)
                return
            self._waiting.discard(longest)
            longest.transport.abort()
        self._waiting.add(self)
        self._expect(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._waiting.discard(self)
        self._expect(None)
        self._reading()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on. What the parser keeps without telling anybody is counted here."""
        self._stray += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._stray > HEAD_LIMIT:
            self._refuse(*TOO_LARGE)
        elif self in self._waiting and self.timeout_keep_alive_task is self._client_timer is None:
            self._expect(HEAD_SECONDS)

    def pause_writing(self) -> None:
        """The client does not read: for so long, and no longer."""
        super().pause_writing()
        self._unread()

    def resume_writing(self) -> None:
        """It reads on."""
        self._reading()
        super().resume_writing()

    # What the parser finds.
    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._stray = 0

    def on_headers_complete(self) -> None:
        """A head is complete. What this raises, uvicorn calls an invalid request."""
        self._in_body = True
        self._stray = 0
        self._expect(None)
        self._waiting.discard(self)
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD_LIMIT:
            self._why = TOO_LARGE
            raise ValueError
        if self.url.count(b"&") >= QUERY_FIELDS:
            self._why = TOO_MANY_FIELDS
            raise ValueError
        if len(self.pipeline) >= SENT_AHEAD:
            self._why = TOO_MANY
            raise ValueError
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._stray = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A body is complete, perhaps long after its answer."""
        self._stray = 0
        self._in_body = False
        super().on_message_complete()
        if self.cycle.response_complete:
            self._rest()

    def on_response_complete(self) -> None:
        """An answer is complete, perhaps long before its request."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._unread()
        elif self._in_body and self.cycle.response_complete:
            self._expect(LINGER_SECONDS)
        elif self.cycle.response_complete:
            self._rest()

    # What we make of it.
    def timeout_keep_alive_handler(self) -> None:
        """It was not used again; whoever has not read the last answer by now will not."""
        self._cut()

    def send_400_response(self, msg: str) -> None:
        """What is wrong is told in the same form as everywhere else."""
        self._refuse(*self._why)

    def _rest(self) -> None:
        self._expect(None)
        if self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self._expect(HEAD_SECONDS)
        self._waiting.add(self)

    def _expect(self, seconds: float | None) -> None:
        """Give the client that long; None for as long as something else takes care of that."""
        if self._client_timer is not None:
            self._client_timer.cancel()
        self._client_timer = None if seconds is None else self.loop.call_later(seconds, self._cut)

    def _unread(self) -> None:
        if self._reader_timer is None:
            self._reader_timer = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def _reading(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

    def _cut(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _refuse(self, status: int, code: str, detail: str) -> None:
        kind = f"urn:buildd:error:{code}"
        document = {"type": kind, "title": detail, "status": status, "detail": detail, "code": code}
        body = pydantic_core.to_json(document)
        self.transport.write(
            b"HTTP/1.1 %d Refused\r\ncontent-type: %b\r\ncontent-length: %d\r\nretry-after: 1\r\n"
            b"connection: close\r\n\r\n%b" % (status, wire.PROBLEM_JSON.encode(), len(body), body)
        )
        self.transport.close()
        self._unread()
