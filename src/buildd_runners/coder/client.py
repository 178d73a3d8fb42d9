"""The few calls of Coder's REST API that a runner makes, each of them once and with a time-out.

Who called knows best when to ask again, so nothing is repeated here. Workspaces are used, not
Coder's tasks: they are there in every version.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
from pydantic import TypeAdapter, ValidationError

from buildd import errors
from buildd.loopback import is_loopback
from buildd.redaction import Redactor
from buildd_runners.coder.answers import (
    Build,
    Line,
    Parameter,
    Refusal,
    Template,
    TemplateParameter,
    User,
    Workspace,
    Workspaces,
)
from buildd_runners.coder.settings import TOKEN, Settings

R = TypeVar("R")

_CONNECT = 10.0
_ANSWER = 30.0
_PAGE = 100
_LENGTH = 500
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)
_MEANING: dict[int, type[errors.BuilddError]] = {
    HTTPStatus.BAD_REQUEST: errors.ConfigError,
    HTTPStatus.FORBIDDEN: errors.ConfigError,
    HTTPStatus.NOT_FOUND: errors.NotFound,
    HTTPStatus.CONFLICT: errors.Conflict,
    HTTPStatus.GONE: errors.NotFound,
    HTTPStatus.UNPROCESSABLE_ENTITY: errors.ConfigError,
    HTTPStatus.TOO_MANY_REQUESTS: errors.RateLimited,
}


class Coder:
    """One Coder, spoken to under one token."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @asynccontextmanager
    async def calls(self, secret: str = "") -> AsyncIterator[Calls]:
        """Connections for a few calls; `secret` is taken out of what errors say."""
        here = urlsplit(self._settings.url)
        async with httpx2.AsyncClient(
            base_url=f"{self._settings.url}/api/v2/",
            headers={"Coder-Session-Token": self._settings.token},
            timeout=httpx2.Timeout(_ANSWER, connect=_CONNECT),
            verify=self._certificates,
            trust_env=not is_loopback(here.hostname),
        ) as http:
            known = [each for each in (self._settings.token, secret) if each]
            yield Calls(http, self._settings, Redactor(known))

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        # They take a tenth of a second to load. Plain HTTP needs none: it gets an empty set.
        if self._settings.url.startswith("http:"):
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return httpx2.create_ssl_context()


class Calls:
    """The calls.

    They raise `ConfigError` for what an operator must mend, `NotFound`, `Conflict`, `RateLimited`,
    or `Unavailable`; among these `OutcomeUnknown` for a change that may have happened.
    """

    def __init__(self, http: httpx2.AsyncClient, settings: Settings, redactor: Redactor) -> None:
        self._http = http
        self._settings = settings
        self._redactor = redactor

    async def me(self) -> User:
        """The token's user."""
        return await self._ask(User, "GET", "users/me")

    async def owner(self) -> User:
        """Whose the workspaces are."""
        return await self._ask(User, "GET", f"users/{self._settings.owner}")

    async def template(self) -> Template:
        """The template workspaces are made of."""
        path = f"organizations/{self._settings.organization}/templates/{self._settings.template}"
        return await self._ask(Template, "GET", path)

    async def template_parameters(self, template: Template) -> list[TemplateParameter]:
        """What the template's active version takes."""
        path = f"templateversions/{template.active_version_id}/rich-parameters"
        return await self._ask(list[TemplateParameter], "GET", path)

    async def may_create(self, template: Template, owner: User) -> bool:
        """Whether the token may make workspaces for this owner."""
        about = {
            "resource_type": "workspace",
            "organization_id": template.organization_id,
            "owner_id": owner.id,
        }
        checks = {"create": {"object": about, "action": "create"}}
        answer = await self._ask(dict[str, bool], "POST", "authcheck", {"checks": checks})
        return answer.get("create", False)

    async def find(self, name: str) -> Workspace | None:
        """The owner's workspace of that name, even if it has been deleted; the latest one."""
        path = f"users/{self._settings.owner}/workspace/{name}?include_deleted=true"
        try:
            return await self._ask(Workspace, "GET", path)
        except errors.NotFound:
            return None

    async def workspace(self, workspace_id: str) -> Workspace:
        """A workspace as it is now."""
        return await self._ask(Workspace, "GET", f"workspaces/{workspace_id}")

    async def listed(self) -> list[Workspace]:
        """The owner's workspaces that carry the prefix."""
        prefix = f"{self._settings.prefix}-"
        query = f"owner:{self._settings.owner} name:{prefix}"
        found: list[Workspace] = []
        while True:
            asked = httpx2.QueryParams(q=query, limit=_PAGE, offset=len(found))
            page = await self._ask(Workspaces, "GET", f"workspaces?{asked}")
            found += page.workspaces
            if not page.workspaces or len(found) >= page.count:
                # Coder finds the words anywhere in a name.
                return [each for each in found if each.name.startswith(prefix)]

    async def create(
        self, name: str, template: Template, parameters: Mapping[str, str]
    ) -> Workspace:
        """Make a workspace and start it. `Conflict`: there is one of that name."""
        body = {
            "name": name,
            "template_id": template.id,
            "automatic_updates": "never",
            "rich_parameter_values": _listed(parameters),
        }
        path = f"users/{self._settings.owner}/workspaces"
        return await self._ask(Workspace, "POST", path, body)

    async def build(
        self, workspace: Workspace, transition: str, parameters: Mapping[str, str] | None = None
    ) -> Build:
        """Start, stop or delete a workspace. `Conflict`: another build is under way."""
        body: dict[str, Any] = {"transition": transition}
        if parameters:
            body["rich_parameter_values"] = _listed(parameters)
        return await self._ask(Build, "POST", f"workspaces/{workspace.id}/builds", body)

    async def cancel(self, build: Build) -> None:
        """Ask for the end of a build that is under way. Not every template lets its users."""
        await self._send("PATCH", f"workspacebuilds/{build.id}/cancel")

    async def parameters(self, build: Build) -> dict[str, str]:
        """What the workspace was built with."""
        path = f"workspacebuilds/{build.id}/parameters"
        return {each.name: each.value for each in await self._ask(list[Parameter], "GET", path)}

    async def log(self, build: Build) -> list[str]:
        """The lines of a build's log, without secrets."""
        lines = await self._ask(list[Line], "GET", f"workspacebuilds/{build.id}/logs")
        return [self._redactor.redact(line.output) for line in lines]

    async def extend(self, workspace_id: str, deadline: str) -> None:
        """Have Coder stop the workspace no sooner than that, a moment in RFC 3339."""
        await self._send("PUT", f"workspaces/{workspace_id}/extend", {"deadline": deadline})

    async def _ask(self, kind: type[R], method: str, path: str, body: object = None) -> R:
        content = await self._send(method, path, body)
        try:
            return TypeAdapter(kind).validate_json(content)
        except ValidationError:
            what = "it sent something else than Coder does"
            raise self._unclear(what, reads=method == "GET") from None

    async def _send(self, method: str, path: str, body: object = None) -> bytes:
        reads = method == "GET"
        try:
            response = await self._http.request(method, path, json=body)
        except httpx2.RequestError as problem:
            raise self._broken(problem, reads=reads) from problem
        if not response.is_success:
            raise self._refused(response, reads=reads)
        return response.content

    def _refused(self, response: httpx2.Response, *, reads: bool) -> errors.BuilddError:
        status = response.status_code
        try:
            said = self._said(Refusal.model_validate_json(response.content))
        except ValidationError:
            # Something in front of Coder: what it says of workspaces means nothing.
            return self._unclear(f"something in front of it answered {status}", reads=reads)
        if status == HTTPStatus.UNAUTHORIZED:
            return errors.ConfigError(f"Coder does not accept the token in {TOKEN}")
        if status in _MEANING:
            return _MEANING[status](f"Coder: {said}")
        return self._unclear(f"it answered {status}: {said}", reads=reads)

    def _said(self, refusal: Refusal) -> str:
        fields = (f"{each.field}: {each.detail}" for each in refusal.validations)
        words = "; ".join(each for each in (refusal.message, refusal.detail, *fields) if each)
        return " ".join(self._redactor.redact(words).split())[:_LENGTH]

    def _broken(self, problem: httpx2.RequestError, *, reads: bool) -> errors.BuilddError:
        if isinstance(problem, _NOT_SENT):
            why = " ".join(str(problem).split())[:_LENGTH] or "no connection in time"
            return errors.Unreachable(f"Coder does not answer at {self._settings.url} ({why})")
        if isinstance(problem, httpx2.TimeoutException):
            return self._unclear("no answer came in time", reads=reads)
        return self._unclear("the connection broke before the answer", reads=reads)

    def _unclear(self, what: str, *, reads: bool) -> errors.BuilddError:
        where = f"Coder at {self._settings.url}: {what}"
        if reads:
            return errors.Unavailable(where)
        return errors.OutcomeUnknown(f"{where}, so it may have happened")


def _listed(parameters: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in parameters.items()]
