"""The other end: a real HTTP server that takes, refuses, hangs or breaks off, as it is told."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.patience import PATIENCE

HANG, RESET, CLOSE = -1, -2, -3
"""What it may do instead of answering with a status."""


@dataclass(frozen=True)
class Call:
    """One request as it came in."""

    target: str
    headers: Mapping[str, str]
    body: bytes
    sni: str | None = None


@dataclass
class Receiver:
    """Serves on an address of this machine; `answer` says what each request gets."""

    host: str = "127.0.0.1"
    port: int = 0
    answer: Callable[[Call], int] = lambda _call: 204
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    calls: list[Call] = field(default_factory=list)
    opened: int = 0
    """Connections that were made to it, whatever came over them."""

    def __enter__(self) -> Self:
        self._let_go = threading.Event()
        self._told = threading.Condition()
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}/hook"

    def heard(self, count: int) -> list[Call]:
        """The calls, once there are so many."""
        with self._told:
            assert self._told.wait_for(lambda: len(self.calls) >= count, PATIENCE), self.calls
        return self.calls

    def note(self, call: Call) -> None:
        """Keep a call, and tell who waits for it."""
        with self._told:
            self.calls.append(call)
            self._told.notify_all()

    def hold(self) -> None:
        """Keep whoever asked waiting until this ends."""
        self._let_go.wait()


class _Server(ThreadingHTTPServer):
    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.address_family = socket.AF_INET6 if ":" in receiver.host else socket.AF_INET
        if receiver.tls is not None:
            receiver.tls.sni_callback = _note_name
        super().__init__((receiver.host, receiver.port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.receiver.opened += 1
        tls = self.receiver.tls
        if tls is None:
            return connection, address
        # Hands are shaken in the thread of the request, when it is first read.
        wrapped = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return wrapped, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients break off here, on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:
            return  # Whoever sent it has died over it.
        receiver = self.server.receiver
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Call(self.path, headers, body, _NAMES.pop(self.connection, None))
        receiver.note(call)
        status = receiver.answer(call)
        self.close_connection = True
        if status == HANG:
            receiver.hold()
        elif status == RESET:
            lingering = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
        elif status != CLOSE:
            self._say(status, receiver.headers)

    def _say(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


_NAMES: dict[Any, str | None] = {}


def _note_name(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: object) -> None:
    _NAMES[connection] = name


def free_on(*hosts: str) -> int:
    """A port that nobody uses on any of these addresses."""
    while True:
        with contextlib.ExitStack() as held:
            first = held.enter_context(socket.create_server((hosts[0], 0)))
            port = int(first.getsockname()[1])
            try:
                for host in hosts[1:]:
                    held.enter_context(socket.create_server((host, port)))
            except OSError:
                continue
            return port
