"""The fake model's HTTP server: on loopback, in a thread, with the standard library alone.

Sockets in our own hands are what makes a connection break in the middle of a reply.
"""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from buildd.testing.messages import wire
from buildd.testing.messages.request import ModelRequest, objection
from buildd.testing.messages.script import Fault, Gate, Prompter, Reply, Script, Turn

_LOOK = 0.05
"""Seconds after which a reply at a closed gate looks whether the fake has been closed."""


class FakeModel:
    """Answers as its script says, and remembers what it was asked.

    A context manager; it listens on a free port of 127.0.0.1 while it is open. With `api_key`, it
    refuses every other key; without, it takes any, but not none.
    """

    def __init__(self, script: Script, *, api_key: str | None = None) -> None:
        self._prompter = Prompter(script)
        self._api_key = api_key
        self._requests: list[ModelRequest] = []
        self._numbers = itertools.count(1)
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=[_LOOK])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """What to give as `ANTHROPIC_BASE_URL`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def requests(self) -> list[ModelRequest]:
        """The calls of `/v1/messages` so far, oldest first, with those that were answered by a fault."""
        return list(self._requests)

    def answer(self, request: ModelRequest) -> tuple[Turn, int]:
        """What the script has for a request, with a number of its own."""
        number = next(self._numbers)
        self._requests.append(request)
        refused = objection(request.body)
        return Fault(400, refused) if refused else self._prompter.turn(request), number

    def refuses(self, key: str) -> bool:
        """Whether a key is no good here."""
        return not key or self._api_key not in (None, key)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, model: FakeModel) -> None:
        self.model = model
        self.closing = threading.Event()
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep open, so that their threads end."""
        self.closing.set()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle(self) -> None:
        with suppress(ConnectionError):  # who asked may leave when it likes
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer the question whether anybody is there."""
        self._json(200, {})

    def do_GET(self) -> None:
        """The same, for who asks in full."""
        self._json(200, {})

    def do_POST(self) -> None:
        """Answer as the model."""
        length = int(self.headers.get("content-length", 0))
        try:
            body = dict(json.loads(self.rfile.read(length)))
        except (TypeError, ValueError):
            self._fault(Fault(400, "the body is not a JSON object"))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = ModelRequest(self.path, body, headers)
        path = self.path.partition("?")[0]
        if self.server.model.refuses(request.key):
            self._fault(Fault(401, "invalid x-api-key"))
        elif path == "/v1/messages/count_tokens":
            self._json(200, {"input_tokens": length // 4})
        elif path == "/v1/messages":
            self._message(request)
        else:
            self._fault(Fault(404, f"the fake has no {path}"))

    def _message(self, request: ModelRequest) -> None:
        turn, number = self.server.model.answer(request)
        if isinstance(turn, Fault):
            self._fault(turn)
            return
        whole = wire.message(turn, str(request.body["model"]), number)
        if request.body.get("stream"):
            self._head(200, "text/event-stream", {"transfer-encoding": "chunked"})
            steps = [b"%x\r\n%s\r\n" % (len(step), step) for step in wire.stream(whole)]
            self._send([*steps, b"0\r\n\r\n"], turn)
        else:
            text = json.dumps(whole).encode()
            self._head(200, "application/json", {"content-length": str(len(text))})
            middle = len(text) // 2
            self._send([text[:middle], text[middle:]], turn)

    def _send(self, steps: Iterable[bytes], reply: Reply) -> None:
        steps = list(steps)
        for place, step in enumerate(steps):
            if place == len(steps) // 2:
                if reply.gate is not None and not self._wait(reply.gate):
                    return
                if reply.cut:
                    self._cut()
                    return
            self.wfile.write(step)

    def _wait(self, gate: Gate) -> bool:
        while not gate.passed(_LOOK):
            if self.server.closing.is_set():
                self._cut()
                return False
        return True

    def _cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _fault(self, fault: Fault) -> None:
        after = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        self._json(fault.status, wire.error(fault), after)

    def _json(self, status: int, document: Any, more: dict[str, str] | None = None) -> None:
        text = json.dumps(document).encode()
        self._head(status, "application/json", {"content-length": str(len(text)), **(more or {})})
        if self.command != "HEAD":
            self.wfile.write(text)

    def _head(self, status: int, kind: str, more: dict[str, str]) -> None:
        self.send_response(status)
        headers = {"content-type": kind, "request-id": "req_fake", **more}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
