"""Requests and answers as Coder's API has them, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

PREFIX = "/api/v2/"


@dataclass(frozen=True)
class Answer:
    """What is answered to one request."""

    status: int
    body: Any = None


BROKEN = Answer(0)
"""The connection ends without an answer."""


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    body: dict[str, Any]
    token: str


def refuse(status: int, message: str, detail: str = "", **fields: str) -> Answer:
    wrong = [{"field": name, "detail": why} for name, why in fields.items()]
    return Answer(status, {"message": message, "detail": detail, "validations": wrong or None})


class Handler(BaseHTTPRequestHandler):
    """Reads a request, and has somebody answer it."""

    answering: Callable[[Asked], Answer | None]

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def do_PUT(self) -> None:
        self.do_POST()

    def do_PATCH(self) -> None:
        self._answer({})

    def _answer(self, body: dict[str, Any]) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = parts.path.removeprefix(PREFIX)
        token = self.headers.get("Coder-Session-Token", "")
        answer = type(self).answering(Asked(self.command, path, query, body, token))
        if answer is None:
            self.close_connection = True
            return
        raw = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
