"""The `coder` runner: one workspace for each launch, whose template starts `buildd-agent`.

Coder has no idempotency keys, so the workspace's name comes from the order's id: asked twice, Coder
refuses the second, and the runner looks whether the first is its own. Nothing is started a second
time: what has ended is the dispatcher's to judge, and another launch if it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from pydantic import JsonValue

from buildd.clock import Clock, SystemClock
from buildd.errors import BuilddError, ConfigError, Conflict, NotFound, Unavailable
from buildd.roles import ExternalRef, LaunchOrder, LaunchState, Observation
from buildd.routing import AccountType
from buildd_runners.coder import launches, sight
from buildd_runners.coder.answers import Build, Template, TemplateParameter, Workspace
from buildd_runners.coder.client import Calls, Coder
from buildd_runners.coder.ending import Ending
from buildd_runners.coder.settings import TOKEN, Settings

NAME = "coder"

_LEAST = timedelta(minutes=31)
"""Coder takes no deadline that is less than 30 minutes away."""
_TAIL = 6
_LENGTH = 600
_OUT_OF_QUOTA = "INSUFFICIENT_QUOTA"


class CoderRunner:
    """Agents in workspaces of one template."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._coder = Coder(settings)
        self._clock = clock or SystemClock()

    @classmethod
    def from_config(cls, config: Mapping[str, JsonValue]) -> CoderRunner:
        """From what `Settings.from_config` takes. Raises `ConfigError`."""
        return cls(Settings.from_config(config))

    @property
    def serves(self) -> frozenset[AccountType]:
        """People: a workspace is somebody's machine."""
        return frozenset({AccountType.USER})

    async def ensure(self, order: LaunchOrder) -> ExternalRef:
        """Have the workspace; it is not waited for. Only what quota stopped is started again."""
        name = launches.name_of(order.id, self._settings.prefix)
        parameters = launches.parameters_of(order, self._settings.parameters)
        async with self._coder.calls(secret=order.key) as calls:
            found = await calls.find(name) or await self._create(calls, name, parameters)
            if found.latest_build.status != "deleted":
                await self._adopt(calls, order, found)
        return self._ref(order.id, found)

    async def observe(self, ref: ExternalRef) -> Observation:
        """How the workspace and Coder's agent in it are; a failed build with the end of its log."""
        try:
            async with self._coder.calls() as calls:
                build = (await calls.workspace(ref.external_id)).latest_build
                seen = sight.of(build)
                if build.status == "failed":
                    said = f"{seen.detail}: {await _tail(calls, build)}"
                    seen = Observation(seen.state, said)
                return seen
        except NotFound:
            return Observation(LaunchState.GONE, "Coder has no such workspace")
        except BuilddError as problem:
            return Observation(LaunchState.UNKNOWN, problem.message)

    async def stop(self, ref: ExternalRef, grace: float) -> None:
        """Stop or delete the workspace; returns when that is done, or `grace` seconds have passed.

        How long the agent may drain is up to the template. Raises `Unavailable` when Coder tried
        and failed.
        """
        async with self._coder.calls() as calls:
            with suppress(NotFound):
                ending = Ending(calls, ref.external_id, self._settings.on_stop.value)
                if not await ending.wait(grace):
                    raise Unavailable(
                        f"{ref.url or ref.external_id} could not be ended:"
                        f" {await _tail(calls, ending.build)}"
                    )

    async def list_owned(self) -> list[ExternalRef]:
        """The owner's workspaces whose names come from the launches they say they are for."""
        owned = []
        async with self._coder.calls() as calls:
            for each in await calls.listed():
                if sight.ended(each.latest_build, self._settings.on_stop.value):
                    continue
                launch = await _launch(calls, each)
                if launch and each.name == launches.name_of(launch, self._settings.prefix):
                    owned.append(self._ref(launch, each))
        return owned

    async def extend(self, ref: ExternalRef, seconds: float) -> None:
        """Move the moment at which Coder stops it by itself, as far as the template allows."""
        async with self._coder.calls() as calls:
            build = (await calls.workspace(ref.external_id)).latest_build
            deadline = self._new_deadline(build, timedelta(seconds=seconds))
            if deadline:
                await calls.extend(ref.external_id, deadline.isoformat())

    async def check(self) -> None:
        """The token must be good, and may make workspaces of a template that takes a launch."""
        try:
            async with self._coder.calls() as calls:
                await calls.me()
                owner = await calls.owner()
                template = await self._template(calls)
                self._check_parameters(await calls.template_parameters(template))
                if not await calls.may_create(template, owner):
                    raise ConfigError(
                        f"{TOKEN} may not make workspaces for {owner.username} at Coder"
                    )
        except NotFound:
            raise ConfigError(f"owner: Coder knows no user {self._settings.owner!r}") from None

    async def _create(self, calls: Calls, name: str, parameters: Mapping[str, str]) -> Workspace:
        template = await self._template(calls)
        try:
            return await calls.create(name, template, parameters)
        except Conflict:
            found = await calls.find(name)
            if found is None:
                raise Unavailable(f"Coder has a workspace {name}, and does not show it") from None
            return found

    async def _adopt(self, calls: Calls, order: LaunchOrder, found: Workspace) -> None:
        if await _launch(calls, found) != order.id:
            raise ConfigError(f"the workspace {found.name} at Coder is not of this launch")
        build = found.latest_build
        if build.status != "failed" or build.transition != sight.START:
            return
        if build.job.error_code != _OUT_OF_QUOTA:
            raise ConfigError(f"Coder could not build {found.name}: {await _tail(calls, build)}")
        # Coder keeps the other parameters, and this one only for as long as a build takes.
        with suppress(Conflict):
            await calls.build(found, sight.START, {launches.KEY: order.key})

    async def _template(self, calls: Calls) -> Template:
        try:
            return await calls.template()
        except NotFound:
            raise ConfigError(
                f"template: the token finds no {self._settings.template!r} in the organization"
                f" {self._settings.organization!r} of Coder"
            ) from None

    def _check_parameters(self, taken: list[TemplateParameter]) -> None:
        template = f"the template {self._settings.template!r}"
        ephemeral = {each.name: each.ephemeral for each in taken}
        wanted = (*launches.PARAMETERS, *self._settings.parameters)
        missing = [name for name in wanted if name not in ephemeral]
        if missing:
            raise ConfigError(f"{template} has no parameter {missing[0]}")
        if not ephemeral[launches.KEY]:
            raise ConfigError(f"{template}: {launches.KEY} must be ephemeral and mutable")

    def _new_deadline(self, build: Build, more: timedelta) -> datetime | None:
        """What to ask for; None where there is nothing to gain."""
        if build.status != "running" or build.deadline is None:
            return None
        now = self._clock.now()
        if build.deadline >= now + more:
            return None
        wanted = now + max(more, _LEAST)
        if build.max_deadline is not None:
            wanted = min(wanted, build.max_deadline)
        possible = wanted > build.deadline and wanted >= now + timedelta(minutes=30)
        return wanted if possible else None

    def _ref(self, order_id: str, workspace: Workspace) -> ExternalRef:
        url = f"{self._settings.url}/@{workspace.owner_name}/{workspace.name}"
        return ExternalRef(NAME, order_id, workspace.id, url)


async def _launch(calls: Calls, workspace: Workspace) -> str | None:
    """The launch that the workspace says it is for."""
    try:
        parameters = await calls.parameters(workspace.latest_build)
    except NotFound:
        return None
    return parameters.get(launches.LAUNCH)


async def _tail(calls: Calls, build: Build) -> str:
    """What went wrong in a build: its error, and how its log ends, in one line."""
    try:
        lines = await calls.log(build)
    except BuilddError:
        lines = []
    said = [build.job.error, *[line for line in lines if line.strip()][-_TAIL:]]
    line = " · ".join(" ".join(each.split()) for each in said if each.strip())
    shown = "".join(letter for letter in line if letter.isprintable())
    return shown[-_LENGTH:] or "its log says nothing"
