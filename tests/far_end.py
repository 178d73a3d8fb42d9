"""A far end for tests: real HTTP on loopback, where somebody in this process answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.contracts.contract import Contract, Exchange


@dataclass(frozen=True)
class Answer:
    """What is answered to one request."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    """Without what all paths of the far end begin with."""
    query: dict[str, str]
    body: dict[str, Any]
    headers: Mapping[str, str] = field(repr=False)


class FarEnd(AbstractContextManager["FarEnd"]):
    """Serves from `with` to its end."""

    prefix = ""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.far_end = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        # Only now: a comparison takes time, which somebody who waits for an answer may not have.
        if contract := self.contract():
            strayed = [fault for each in self.exchanges for fault in contract.faults(each)]
            assert not strayed, "\n".join(strayed)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def contract(self) -> Contract | None:
        """What requests and answers must keep to, where that is at hand."""
        return None

    def respond(self, asked: Asked) -> Answer | None:
        """Answer a request, in a thread of its own; None: the connection breaks."""
        raise NotImplementedError

    def compare(self, asked: Asked, answer: Answer | None = None) -> None:
        """Hold a request to the contract, and what this far end itself has to answer."""
        call = Exchange(asked.method, f"/{asked.path.lstrip('/')}", asked.query, asked.body)
        if answer:
            call = replace(call, status=answer.status, answered=answer.body)
        self.exchanges.append(call)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    far_end: FarEnd


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def _respond(self) -> None:
        far_end, parts = self.server.far_end, urlsplit(self.path)
        answer = far_end.respond(
            Asked(
                self.command,
                parts.path.removeprefix(far_end.prefix),
                {name: values[0] for name, values in parse_qs(parts.query).items()},
                json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"{}"),
                self.headers,
            )
        )
        if answer is None:
            self.close_connection = True
            return
        raw = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        raw = b"" if answer.status == HTTPStatus.NO_CONTENT else raw
        self.send_response(answer.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(raw))}
        for name, value in {**headers, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PUT = do_PATCH = _respond  # noqa: N815 - the names that the server calls

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
