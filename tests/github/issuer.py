"""A far end that plays GitHub's OpenID provider: it signs real tokens, and publishes its keys.

Both halves are over real HTTP: what a job asks for its token, and what a server asks for the keys.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.github.far_end import REPOSITORY_ID

KID = "cc413527-173f-5a05-976e-9c52b1d7b431"
_JTI = count(1)


@cache
def key(name: str = KID, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A private key of that name; the same for all tests of a run, because making one takes long."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def published(name: str = KID, **more: Any) -> dict[str, Any]:
    """The public half of a key, as an issuer lists it."""
    known = RSAAlgorithm.to_jwk(key(name).public_key(), as_dict=True)
    return {**known, "kid": name, "alg": "RS256", "use": "sig", **more}


def claims(issuer: str, audience: str, run: int, **more: Any) -> dict[str, Any]:
    """What GitHub says of a run of `acme/shop`'s workflow; None leaves a claim out."""
    now = int(time.time())
    said = {
        "iss": issuer,
        "sub": f"repo:acme@4711/shop@{REPOSITORY_ID}:ref:refs/heads/main",
        "aud": audience,
        "jti": f"6f3e9f9b-{next(_JTI):012}",
        "iat": now,
        "nbf": now - 600,
        "exp": now + 300,
        "actor": "buildd-app[bot]",
        "base_ref": "",
        "event_name": "repository_dispatch",
        "head_ref": "",
        "job_workflow_ref": "acme/shop/.github/workflows/buildd.yml@refs/heads/main",
        "ref": "refs/heads/main",
        "ref_type": "branch",
        "repository": "acme/shop",
        "repository_id": str(REPOSITORY_ID),
        "repository_owner": "acme",
        "repository_owner_id": "4711",
        "run_attempt": "1",
        "run_id": str(run),
        "runner_environment": "github-hosted",
        "workflow_ref": "acme/shop/.github/workflows/buildd.yml@refs/heads/main",
        **more,
    }
    return {name: value for name, value in said.items() if value is not None}


def signed(said: dict[str, Any], name: str = KID, **header: Any) -> str:
    """A token as the issuer signs it."""
    return jwt.encode(said, key(name), "RS256", headers={"kid": name, **header})


@dataclass(frozen=True)
class Job:
    """A job that may ask for tokens."""

    bearer: str
    run_id: int
    more: dict[str, Any] = field(default_factory=dict)


class Issuer(AbstractContextManager["Issuer"]):
    """One provider on loopback."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [published()]
        self.jobs: dict[str, Job] = {}
        self.fetched = 0
        """How often somebody asked for the keys."""
        self.audiences: list[str] = []
        self.away = 0
        """How many more requests get no answer that helps."""
        self.made: Callable[[str], str] = lambda token: token
        """What becomes of a token before it is handed out."""
        handler = type("Handler", (_Handler,), {"issuer": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def environment(self, run_id: int, **more: Any) -> dict[str, str]:
        """What a job of a run with `id-token: write` finds in its environment."""
        job = Job(f"a-bearer-for-run-{run_id}", run_id, more)
        self.jobs[job.bearer] = job
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.address}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": job.bearer,
        }

    def answer(self, path: str, query: dict[str, list[str]], bearer: str) -> tuple[int, Any]:
        if self.away:
            self.away -= 1
            return 503, {"message": "try again"}
        if path == "/.well-known/jwks":
            self.fetched += 1
            return 200, {"keys": self.keys}
        job = self.jobs.get(bearer)
        if path != "/token" or query.get("api-version") != ["2.0"] or job is None:
            return 401, {"message": "unauthorized"}
        [audience] = query["audience"]
        self.audiences.append(audience)
        said = claims(self.address, audience, job.run_id, **job.more)
        return 200, {"count": 1, "value": self.made(signed(said))}


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        status, body = self.issuer.answer(parts.path, parse_qs(parts.query), bearer)
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
