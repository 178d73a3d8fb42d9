"""What a sync makes of a source's items, over every way to the broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from buildd import plugins
from buildd.client import Client, as_async
from buildd.errors import ConfigError, Unavailable
from buildd.models import Source, Task
from buildd.plugins import hookimpl
from buildd.plugins.sources import Synced, source_of, sync
from buildd.roles import SourceItem
from buildd.routing import RunnerPreference

GATE = SourceItem(
    "7",
    "Oil the gate",
    description="It squeaks.",
    url="https://tracker.example/7",
    context={"labels": ["garden"], "weight": 1.5},
    priority=5,
    runner_preference=RunnerPreference.SERVICE,
)
ROOF = SourceItem("8", "Mend the roof")


class Listed:
    """A source that holds these, and then fails if it is told to."""

    def __init__(self, *items: Any, failure: Exception | None = None) -> None:
        self.found = items
        self.failure = failure

    async def items(self) -> AsyncIterator[SourceItem]:
        for each in self.found:
            yield each
        if self.failure:
            raise self.failure


@pytest.fixture
def row(bd: Client) -> Source:
    workspace = bd.workspaces.create(name="garden")
    return bd.sources.create(workspace_id=workspace.id, type="listed", name="issues")


def synced(bd: Client, row: Source, source: Any) -> Synced:
    async def go() -> Synced:
        async with as_async(bd) as client:
            return await sync(client, row, source)

    return anyio.run(go)


def tasks(bd: Client, row: Source) -> dict[str | None, Task]:
    return {task.external_id: task for task in bd.tasks.list(source_id=row.id)}


def test_each_item_becomes_a_task_once(bd: Client, row: Source) -> None:
    assert synced(bd, row, Listed(GATE, ROOF)) == Synced(source_id=row.id, created=2)
    gate = tasks(bd, row)["7"]
    assert (gate.title, gate.description) == ("Oil the gate", "It squeaks.")
    assert (gate.external_url, gate.context) == (GATE.url, GATE.context)
    assert (gate.priority, gate.runner_preference) == (5, RunnerPreference.SERVICE)
    assert synced(bd, row, Listed(ROOF, GATE, GATE)) == Synced(source_id=row.id, unchanged=3)
    assert len(tasks(bd, row)) == 2


def test_a_task_follows_its_item_but_in_what_is_peoples(bd: Client, row: Source) -> None:
    synced(bd, row, Listed(GATE))
    bd.tasks.update(id=tasks(bd, row)["7"].id, priority=9)
    changed = replace(GATE, title="Oil the gates", description=None, priority=1)
    assert synced(bd, row, Listed(changed)).updated == 1
    gate = tasks(bd, row)["7"]
    assert (gate.title, gate.description, gate.priority) == ("Oil the gates", None, 9)


def test_what_is_over_or_gone_stays_as_it_is(bd: Client, row: Source) -> None:
    synced(bd, row, Listed(GATE, ROOF))
    bd.tasks.cancel(id=tasks(bd, row)["7"].id)
    done = synced(bd, row, Listed(replace(GATE, title="Oil both gates")))
    assert (done.updated, done.unchanged) == (0, 1)
    assert {task.title for task in tasks(bd, row).values()} == {"Oil the gate", "Mend the roof"}


def test_two_sources_may_use_the_same_ids(bd: Client, row: Source) -> None:
    other = bd.sources.create(workspace_id=row.workspace_id, type="listed", name="mails")
    assert synced(bd, row, Listed(GATE)).created == 1
    assert synced(bd, other, Listed(GATE)).created == 1


def test_an_item_that_can_be_no_task_keeps_no_other_from_it(bd: Client, row: Source) -> None:
    done = synced(bd, row, Listed(replace(GATE, title=" "), ROOF))
    assert (done.created, done.refused) == (1, ("7: title: must not be blank",))


@pytest.mark.parametrize(
    ("failure", "problem"),
    [
        (Unavailable("the tracker does not answer"), "the tracker does not answer"),
        (KeyError("body"), "KeyError: 'body'"),
    ],
)
def test_a_source_that_fails_loses_nothing_of_what_it_gave(
    bd: Client, row: Source, failure: Exception, problem: str
) -> None:
    done = synced(bd, row, Listed(ROOF, failure=failure))
    assert (done.created, done.problem) == (1, problem)


def test_what_is_no_item_is_the_sources_fault(bd: Client, row: Source) -> None:
    done = synced(bd, row, Listed({"title": "Oil the gate"}))
    assert done.problem == "TypeError: an item is a dict, not a SourceItem"


def test_two_syncs_at_once_make_each_task_once(bd: Client, row: Source) -> None:
    items = [SourceItem(str(number), f"Job {number}") for number in range(30)]

    async def both() -> list[Synced]:
        done = []

        async def one() -> None:
            async with as_async(bd) as client:
                done.append(await sync(client, row, Listed(*items)))

        async with anyio.create_task_group() as group:
            group.start_soon(one)
            group.start_soon(one)
        return done

    first, second = anyio.run(both)
    assert first.created + second.created == 30
    assert first.unchanged + second.unchanged == 30
    assert (first.wrong, second.wrong) == ((), ())


def test_more_tasks_than_a_page_holds_are_known_again(bd: Client, row: Source) -> None:
    items = [SourceItem(str(number), f"Job {number}") for number in range(201)]
    new = [
        {"workspace_id": row.workspace_id, "source_id": row.id, "title": each.title}
        | {"external_id": each.external_id}
        for each in items
    ]
    bd.tasks.create_many(tasks=new)
    assert synced(bd, row, Listed(*items)).unchanged == 201


class Plugin:
    @hookimpl
    def register_sources(self, register: Any) -> None:
        register("listed", lambda config: SimpleNamespace(config=config))
        register("broken", lambda config: config["url"])


def made(environ: dict[str, str], config: dict[str, Any], kind: str = "listed") -> Any:
    row = Source.model_construct(type=kind, config=config)
    return source_of(row, plugins.load(Plugin()), environ).config  # type: ignore[attr-defined]


def test_secrets_come_from_the_environment() -> None:
    config = {"url": "https://far", "token": {"env": "TOKEN"}, "map": {"env": "a", "other": 1}}
    assert made({"TOKEN": "abc"}, config) == config | {"token": "abc"}


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        ("TOKEN", "config.token: set TOKEN in the environment"),
        ("BUILDD_API_KEY", "config.token: env must name a variable, and none of buildd's own"),
        (7, "config.token: env must name a variable, and none of buildd's own"),
    ],
)
def test_a_secret_that_is_not_there(variable: Any, line: str) -> None:
    with pytest.raises(ConfigError) as failed:
        made({"BUILDD_API_KEY": "key"}, {"token": {"env": variable}})
    assert str(failed.value) == line


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("manual", "people put in the tasks of a manual source: there is nothing to sync"),
        ("mails", "there is no source 'mails'; installed: broken, github, listed"),
        ("broken", "KeyError: 'url'"),
    ],
)
def test_a_source_that_cannot_be_made(kind: str, line: str) -> None:
    with pytest.raises(ConfigError) as failed:
        made({}, {}, kind)
    assert str(failed.value) == line
