"""The hooks are their own manual: each says when it is called and what it raises, and its example works."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest

from buildd import plugins, roles
from buildd.errors import ConfigError
from buildd.plugins import hookimpl, hookspecs

HOOKS = [each for each in vars(hookspecs).values() if hasattr(each, "buildd_spec")]
ROLES: dict[str, type] = {
    "runner": roles.Runner,
    "executor": roles.Executor,
    "forge": roles.Forge,
}


def named(hook: Callable[..., None]) -> str:
    return hook.__name__


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
    assert inspect.signature(hook).return_annotation == "None"


@pytest.mark.parametrize("hook", HOOKS, ids=named)
def test_the_example_of_a_hook_is_a_plugin_that_offers_something(
    hook: Callable[..., None],
) -> None:
    written: dict[str, Any] = {}
    exec(compile(manual(hook)[1], hook.__name__, "exec"), written)  # noqa: S102 - the manual's own
    assert hook.__name__ in written
    before, after = plugins.load(), plugins.load(SimpleNamespace(**written))
    [(register, name)] = [
        (now, name)
        for was, now in zip(before.registers, after.registers, strict=True)
        for name in set(now.names) - set(was.names)
    ]
    made = register.make(name)
    role = ROLES[register.kind]
    missing = [each for each in vars(role) if not each.startswith("_") and not hasattr(made, each)]
    assert missing == []


def test_a_hook_that_fails_is_one_line_which_leads_to_the_plugin() -> None:
    @hookimpl
    def register_forges(register: object) -> None:
        raise OSError("the disk is full\nreally")

    with pytest.raises(ConfigError) as failed:
        plugins.load(SimpleNamespace(register_forges=register_forges))
    assert str(failed.value) == (
        "a plugin fails: the disk is full; `buildd plugins list` tells which one"
    )
