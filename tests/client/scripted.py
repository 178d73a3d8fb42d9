"""A real HTTP server on loopback that does to each request what the test wrote down for it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.patience import PATIENCE


class Held(bytes):
    """Sent, and then nothing more until the client gives up."""


SILENCE = Held()


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def reply(status: int, document: Any, kind: str = "application/json") -> bytes:
    """A whole response."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return _head(status, kind, [f"Content-Length: {len(body)}"]) + body


def problem(status: int, code: str, detail: str, **more: Any) -> bytes:
    """An error as buildd says it."""
    document = {"type": f"urn:buildd:error:{code}", "code": code, "detail": detail, **more}
    return reply(status, document, "application/problem+json")


def stream(*frames: str, seq: int | None = None) -> bytes:
    """The beginning of an event stream; then the connection breaks in the middle of a chunk."""
    headers = ["Transfer-Encoding: chunked"]
    if seq is not None:
        headers.append(f"X-Buildd-Seq: {seq}")
    text = ": subscribed\n\n" + "".join(frames)
    chunk = f"{len(text.encode()):x}\r\n{text}\r\n".encode()
    return _head(200, "text/event-stream", headers) + chunk + b"ff\r\n: half a chu"


def frame(seq: int, kind: str = "task:created", **more: Any) -> str:
    """One event as the server sends it."""
    event = {"seq": seq, "type": kind, "at": "2026-01-31T08:00:00Z", "data": {}, **more}
    name = "event: reset\n" if kind == "reset" else ""
    return f"{name}id: {seq}\ndata: {json.dumps(event)}\n\n"


def _head(status: int, kind: str, headers: list[str]) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


class ScriptedServer:
    """Answers the first request with the first reply, and so on; then the port is closed."""

    def __init__(self, *replies: bytes) -> None:
        self.received: list[Received] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, args=(replies,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Stop; an error if some reply was never asked for."""
        self._thread.join(PATIENCE)
        left_over = self._thread.is_alive()
        if left_over:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._thread.join()
        self._listener.close()
        assert not left_over, "some replies were never asked for"

    def _serve(self, replies: tuple[bytes, ...]) -> None:
        for answer in replies:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as reader:
                self.received.append(_read(reader))
                connection.sendall(answer)
                if isinstance(answer, Held):
                    reader.read()  # returns when the client hangs up


def _read(lines: Any) -> Received:
    method, target, _ = next(lines).decode().split(" ", 2)
    headers = dict(_headers(lines))
    body = lines.read(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return Received(method, parts.path, query, headers, body)


def _headers(lines: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if line == b"\r\n":
            return
        name, _, value = line.decode().partition(":")
        yield name.lower(), value.strip()
