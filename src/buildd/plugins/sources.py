"""From what a source holds to tasks: one for each item, however often and wherever it is synced."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

from pydantic import JsonValue

from buildd import models
from buildd.client import AsyncClient
from buildd.errors import AlreadyExists, BuilddError, ConfigError, Invalid, NotFound, WrongState
from buildd.models import Model, Task
from buildd.operations import MAX_PAGE
from buildd.plugins.registry import Registry, in_a_line
from buildd.roles import Source, SourceItem
from buildd.states import TaskStatus

MANUAL = "manual"
"""The type of source whose tasks people put in themselves."""


class Synced(Model):
    """What a sync made of a source's items."""

    source_id: str
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    cancelled: int = 0
    refused: tuple[str, ...] = ()
    """A line for each item that cannot be a task, with what is wrong with it."""
    problem: str | None = None
    """What ended the sync before it was through; what it made until then stays."""

    @property
    def wrong(self) -> tuple[str, ...]:
        """Everything that a person should look into."""
        return (*self.refused, self.problem) if self.problem else self.refused


class _Broken(Exception):
    """The source failed, not buildd."""


def source_of(
    row: models.Source, registry: Registry, environ: Mapping[str, str] = os.environ
) -> Source:
    """The source that is meant, with its secrets from the environment. Raises `ConfigError`."""
    if row.type == MANUAL:
        raise ConfigError("people put in the tasks of a manual source: there is nothing to sync")
    config = {name: _revealed(name, value, environ) for name, value in row.config.items()}
    try:
        return registry.sources.make(row.type, config)
    except BuilddError:
        raise
    except Exception as problem:
        raise ConfigError(f"{type(problem).__name__}: {in_a_line(problem)}") from problem


async def sync(client: AsyncClient, row: models.Source, source: Source) -> Synced:
    """Have a task for each item of the source. Raises what the broker does, nothing of the source."""
    done: Counter[str] = Counter()
    refused: list[str] = []
    problem = None
    known = await _known(client, row)
    try:
        async for item in _items(source):
            try:
                done[await _put(client, row, item, known.get(item.external_id))] += 1
            except Invalid as refusal:
                refused.append(f"{item.external_id}: {refusal.message}")
    except _Broken as failure:
        problem = str(failure)
    return Synced(source_id=row.id, refused=tuple(refused), problem=problem, **done)


def _revealed(name: str, value: JsonValue, environ: Mapping[str, str]) -> JsonValue:
    """A field of the configuration: `{"env": NAME}` stands for the variable of that name."""
    if not isinstance(value, dict) or value.keys() != {"env"}:
        return value
    variable = value["env"]
    # Those are keys to buildd itself, which no source has a use for.
    if not isinstance(variable, str) or variable.startswith("BUILDD_"):
        raise ConfigError(f"config.{name}: env must name a variable, and none of buildd's own")
    if not environ.get(variable):
        raise ConfigError(f"config.{name}: set {variable} in the environment")
    return environ[variable]


async def _items(source: Source) -> AsyncIterator[SourceItem]:
    try:
        async for item in source.items():
            yield _checked(item)
    except BuilddError as problem:
        raise _Broken(problem.message) from problem
    except Exception as problem:
        raise _Broken(f"{type(problem).__name__}: {in_a_line(problem)}") from problem


def _checked(item: object) -> SourceItem:
    if not isinstance(item, SourceItem):
        raise TypeError(f"an item is a {type(item).__name__}, not a SourceItem")
    return item


async def _known(client: AsyncClient, row: models.Source) -> dict[str, Task]:
    """The tasks there are already, by what the source calls them."""
    known: dict[str, Task] = {}
    cursor = None
    while page := await client.tasks.list(source_id=row.id, limit=MAX_PAGE, cursor=cursor):
        known |= {task.external_id: task for task in page if task.external_id}
        cursor = page[-1].id
    return known


async def _put(client: AsyncClient, row: models.Source, item: SourceItem, task: Task | None) -> str:
    """Make the item's task, or have it follow the item: what was done about it."""
    follows = _followed(item)
    try:
        if task is None and not item.over:
            await client.tasks.create(
                workspace_id=row.workspace_id,
                source_id=row.id,
                external_id=item.external_id,
                priority=item.priority,
                runner_preference=item.runner_preference,
                required_capabilities=list(item.required_capabilities),
                **follows,
            )
            return "created"
        if task is None or task.status is not TaskStatus.PENDING:
            return "unchanged"
        if item.over:
            await client.tasks.cancel(id=task.id)
            return "cancelled"
        if any(getattr(task, name) != value for name, value in follows.items()):
            await client.tasks.update(id=task.id, **follows)
            return "updated"
    except (AlreadyExists, NotFound, WrongState):
        pass  # Somebody was quicker: another sync, an agent that took it, a person who deleted it.
    return "unchanged"


def _followed(item: SourceItem) -> dict[str, Any]:
    """What a task says as long as its item says it."""
    return {
        "title": item.title,
        "description": item.description,
        "external_url": item.url,
        "context": dict(item.context),
        "trust": item.trust,
    }
