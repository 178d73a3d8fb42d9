"""`POST /api/auth/github-oidc`: a run of GitHub Actions logs in with the token that GitHub signs for it.

So no key need be stored among a repository's secrets. Everybody may call this; whatever is not in
order is refused with one and the same line, and the reason goes to the server's log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx2
import jwt
import pydantic_core
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from buildd import errors, wire
from buildd.broker import Broker
from buildd.broker.run_login import RunIdentity, refused
from buildd.clock import elapsed
from buildd.loopback import is_loopback
from buildd.models._model import Id, Model
from buildd_server.bodies import read_body
from buildd_server.endpoints import JSON_HEADERS, PREFIX
from buildd_server.origin import origin_of
from buildd_server.waiting import settled

PATH = f"{PREFIX}/auth/github-oidc"
KEYS_AT = "/.well-known/jwks"

_ALGORITHM = "RS256"
_LEEWAY = 30
"""Seconds by which GitHub's clock and ours may differ."""
_LONGEST = 16_384
"""Characters of a token; GitHub's have about 1,500."""
_BODY = 2 * _LONGEST
_KEPT = 3600.0
"""Seconds for which the issuer's keys are believed."""
_PAUSE = 10.0
"""Seconds between two requests for them, whatever runs claim to be signed with."""
_TIMEOUT = 10.0

_Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]
_Word = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class _Claims(BaseModel):
    """What must stand in a token; all else in it is of no interest here."""

    model_config = ConfigDict(strict=True)

    jti: _Word
    exp: Annotated[int, Field(lt=2**33)]
    aud: _Word
    event_name: _Word
    repository: _Word
    repository_id: _Digits
    workflow_ref: _Word
    run_id: _Digits
    run_attempt: _Digits
    # Where these say something, the run is about a pull request, whatever the event is called.
    head_ref: Annotated[str, Field(max_length=0)] = ""
    base_ref: Annotated[str, Field(max_length=0)] = ""


class _Login(Model):
    """What a run sends."""

    token: str
    launch_id: Id


class SigningKeys:
    """The issuer's public keys, fetched when they are needed, and seldom."""

    def __init__(self, issuer: str, now: Callable[[], float] = elapsed) -> None:
        self._address = issuer + KEYS_AT
        self._now = now
        self._keys: Mapping[str, RSAPublicKey] = {}
        self._good_until = self._next_try = now()
        self._lock = asyncio.Lock()

    async def named(self, kid: str) -> RSAPublicKey | None:
        """The key of that name. Raises `Unavailable` if the issuer cannot be asked."""
        async with self._lock:
            stale = self._now() >= self._good_until
            if (stale or kid not in self._keys) and self._now() >= self._next_try:
                self._next_try = self._now() + _PAUSE
                self._keys = await self._fetch()
                self._good_until = self._now() + _KEPT
            elif stale:
                raise errors.Unavailable("GitHub's signing keys cannot be had now")
            return self._keys.get(kid)

    async def _fetch(self) -> Mapping[str, RSAPublicKey]:
        here = is_loopback(httpx2.URL(self._address).host)
        try:
            async with httpx2.AsyncClient(timeout=_TIMEOUT, trust_env=not here) as client:
                answer = await client.get(self._address)
            return _usable(answer.raise_for_status().json()["keys"])
        except (httpx2.HTTPError, ValueError, TypeError, KeyError) as problem:
            told = f"GitHub's signing keys cannot be had from {self._address}"
            raise errors.Unavailable(f"{told} ({type(problem).__name__})") from None


def _usable(listed: list[Any]) -> Mapping[str, RSAPublicKey]:
    """The RSA keys by name. A name that two have is nobody's; one that is broken spoils no other."""
    found: dict[str, RSAPublicKey] = {}
    names = [each["kid"] for each in listed]
    for each in listed:
        fits = each.get("kty") == "RSA" and each.get("alg", _ALGORITHM) == _ALGORITHM
        if fits and each.get("use", "sig") == "sig" and names.count(each["kid"]) == 1:
            with suppress(jwt.PyJWTError):
                key = jwt.PyJWK(each, _ALGORITHM).key
                if isinstance(key, RSAPublicKey):
                    found[each["kid"]] = key
    return found


async def verified(token: str, issuer: str, keys: SigningKeys) -> RunIdentity:
    """The run that a token was signed for. Raises `NotAuthenticated` or `Unavailable`."""
    try:
        if len(token) > _LONGEST:
            raise jwt.InvalidTokenError(f"it is longer than {_LONGEST} characters")
        header = jwt.get_unverified_header(token)
        if header.get("alg") != _ALGORITHM:
            raise jwt.InvalidAlgorithmError(f"it is not signed with {_ALGORITHM}")
        key = await keys.named(header.get("kid", ""))
        if key is None:
            raise jwt.InvalidKeyError("GitHub has no signing key of that name")
        claims = _Claims.model_validate(_decoded(token, issuer, key))
    except (jwt.PyJWTError, ValueError, RecursionError) as problem:
        raise refused(_told(problem)) from None
    return _identity(claims)


def _decoded(token: str, issuer: str, key: RSAPublicKey) -> dict[str, Any]:
    return jwt.decode(
        token,
        key,
        algorithms=[_ALGORITHM],
        issuer=issuer,
        leeway=_LEEWAY,
        options={
            "require": ["iss", "aud", "exp", "nbf", "iat", "jti"],
            # Which audience is right, the launch's pool says: it is looked at with the launch.
            "verify_aud": False,
            "enforce_minimum_key_length": True,
        },
    )


def _told(problem: Exception) -> str:
    """What is wrong with a token, without anything that whoever sent it could have written."""
    if isinstance(problem, ValidationError):
        named = sorted({str(each["loc"][0]) for each in problem.errors(include_input=False)})
        return f"the token's {', '.join(named)}: missing, or not GitHub's"
    said = str(problem) if isinstance(problem, jwt.PyJWTError) else "it is none"
    return f"the token does not hold: {said.splitlines()[0][:200]!r}"


def _identity(claims: _Claims) -> RunIdentity:
    return RunIdentity(
        token_id=claims.jti,
        expires_at=datetime.fromtimestamp(claims.exp, UTC),
        audience=claims.aud,
        event=claims.event_name,
        repository=claims.repository,
        repository_id=claims.repository_id,
        workflow_ref=claims.workflow_ref,
        run_id=claims.run_id,
        run_attempt=claims.run_attempt,
    )


def login_routes(broker: Broker, issuer: str) -> Iterator[Route]:
    """The route by which runs come in; outside the gate, because they have no key yet."""
    keys = SigningKeys(issuer)

    async def log_in(request: Request) -> Response:
        asked = _asked(await read_body(request, _BODY))
        run = await verified(asked.token, issuer, keys)
        made = await settled(broker.log_in_run(run, asked.launch_id, origin_of(request)))
        answer = {"token": made.token, "taskId": made.task_id, "expiresAt": made.expires_at}
        return Response(pydantic_core.to_json(answer), 200, JSON_HEADERS, "application/json")

    yield Route(PATH, log_in, methods=["POST"])


def _asked(body: bytes) -> _Login:
    try:
        return _Login.model_validate_json(body)
    except ValidationError as problem:
        raise wire.invalid(problem) from None
