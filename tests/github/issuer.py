"""A far end that plays GitHub's OpenID provider: it signs real tokens, and publishes its keys.

Both halves are over real HTTP: what a job asks for its token, and what a server asks for the keys.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.far_end import Answer, Asked, FarEnd
from tests.github.shapes import REPOSITORY_ID

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


class Issuer(FarEnd):
    """One provider on loopback."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[dict[str, Any]] = [published()]
        self.jobs: dict[str, Job] = {}
        self.fetched = 0
        """How often somebody asked for the keys."""
        self.audiences: list[str] = []
        self.away = 0
        """How many more requests get no answer that helps."""
        self.made: Callable[[str], str] = lambda token: token
        """What becomes of a token before it is handed out."""

    def environment(self, run_id: int, **more: Any) -> dict[str, str]:
        """What a job of a run with `id-token: write` finds in its environment."""
        job = Job(f"a-bearer-for-run-{run_id}", run_id, more)
        self.jobs[job.bearer] = job
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": job.bearer,
        }

    def respond(self, asked: Asked) -> Answer:
        if self.away:
            self.away -= 1
            return Answer(503, {"message": "try again"})
        if asked.path == "/.well-known/jwks":
            self.fetched += 1
            return Answer(200, {"keys": self.keys})
        job = self.jobs.get(asked.headers.get("Authorization", "").removeprefix("Bearer "))
        if asked.path != "/token" or asked.query.get("api-version") != "2.0" or job is None:
            return Answer(401, {"message": "unauthorized"})
        audience = asked.query["audience"]
        self.audiences.append(audience)
        said = claims(self.url, audience, job.run_id, **job.more)
        return Answer(200, {"count": 1, "value": self.made(signed(said))})
