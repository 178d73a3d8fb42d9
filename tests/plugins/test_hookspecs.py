"""The hooks are their own manual: each says when it is called and what it raises, and its example works."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from buildd import plugins, roles
from buildd.errors import ConfigError
from buildd.events import Event, EventType
from buildd.plugins import hookimpl, hookspecs
from tests.plugins.things import NOW, pool, task

HOOKS = [each for each in vars(hookspecs).values() if hasattr(each, "buildd_spec")]
ROLES: dict[str, type] = {
    "runner": roles.Runner,
    "executor": roles.Executor,
    "forge": roles.Forge,
    "source": roles.Source,
}
REGISTERING = [each for each in HOOKS if each.__name__.startswith("register_")]


def named(hook: Callable[..., None]) -> str:
    return hook.__name__


def example(hook: Callable[..., None]) -> SimpleNamespace:
    """The plugin that the example of a hook is."""
    written: dict[str, Any] = {}
    exec(compile(manual(hook)[1], hook.__name__, "exec"), written)  # noqa: S102 - the manual's own
    assert hook.__name__ in written
    return SimpleNamespace(**written)


def manual(hook: Callable[..., None]) -> tuple[list[str], str]:
    """Its paragraphs, and its example."""
    text, _, example = (inspect.getdoc(hook) or "").partition("\n\n    ")
    return text.split("\n\n"), dedent(f"    {example}")


@pytest.mark.parametrize("hook", HOOKS, ids=named)
def test_a_hook_says_what_it_is_for_when_it_is_called_and_what_it_raises(
    hook: Callable[..., None],
) -> None:
    meaning, *rest = manual(hook)[0]
    assert meaning.endswith(".")
    found = [each.partition(":")[0] for each in rest[-3:]]
    assert found == ["Called", "Raises", "Example"]
    registers = hook in REGISTERING
    assert inspect.signature(hook).return_annotation in {
        "None",
        "None" if registers else "str | None",
    }


def test_every_hook_has_a_test_of_what_its_example_does() -> None:
    assert {named(hook) for hook in HOOKS if hook not in REGISTERING} == {"prefer", "task_event"}


@pytest.mark.parametrize("hook", REGISTERING, ids=named)
def test_the_example_of_a_hook_is_a_plugin_that_offers_something(
    hook: Callable[..., None],
) -> None:
    before, after = plugins.load(), plugins.load(example(hook))
    [(register, name)] = [
        (now, name)
        for was, now in zip(before.registers, after.registers, strict=True)
        for name in set(now.names) - set(was.names)
    ]
    made = register.make(name)
    role = ROLES[register.kind]
    missing = [each for each in vars(role) if not each.startswith("_") and not hasattr(made, each)]
    assert missing == []


def test_the_example_of_a_source_has_items() -> None:
    source = plugins.load(example(hookspecs.register_sources)).sources.make("chores")

    async def listed() -> list[str]:
        return [item.title async for item in source.items()]

    assert anyio.run(listed) == ["Water the plants"]


def test_the_example_of_an_observer_logs_what_went_wrong(caplog: pytest.LogCaptureFixture) -> None:
    [observer] = plugins.load(example(hookspecs.task_event)).observers
    happened = Event(seq=1, type=EventType.TASK_CREATED, at=NOW, task_id="task_1")
    failed = {"type": EventType.WORKER_ERROR, "data": {"error": "no luck"}}
    observer.tell(happened)
    observer.tell(happened.model_copy(update=failed))
    assert caplog.messages == ["task_1: no luck"]


def test_the_example_of_a_preference_sends_what_is_urgent_to_a_machine_that_is_on() -> None:
    registry = plugins.load(example(hookspecs.prefer))
    pools = [pool("cloud", "coder"), pool("cellar", "vm")]
    assert registry.prefer(task(priority=100), pools) == "cellar"
    assert registry.prefer(task(priority=0), pools) is None
    assert registry.prefer(task(priority=100), pools[:1]) is None


def test_a_hook_that_fails_is_one_line_which_leads_to_the_plugin() -> None:
    @hookimpl
    def register_forges(register: object) -> None:
        raise OSError("the disk is full\nreally")

    with pytest.raises(ConfigError) as failed:
        plugins.load(SimpleNamespace(register_forges=register_forges))
    assert str(failed.value) == (
        "a plugin fails: the disk is full; `buildd plugins list` tells which one"
    )
