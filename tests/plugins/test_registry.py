from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from buildd import plugins
from buildd.errors import ConfigError
from buildd.events import Event
from buildd.models import Task
from buildd.plugins import hookimpl
from buildd.plugins.hookspecs import Config, RegisterExecutor
from buildd.roles import Completed, Outcome, Session
from tests.plugins.things import pool, task


class Echo:
    """An executor as a stranger would write it."""

    def __init__(self, config: Config) -> None:
        self.config = config

    async def run(self, session: Session) -> Outcome:
        return Completed({"title": session.task.title})


class Plugin:
    @hookimpl
    def register_executors(self, register: RegisterExecutor) -> None:
        register("echo", Echo)


def test_the_built_ins_come_in_by_the_entry_point() -> None:
    registry = plugins.load()
    assert registry.executors.names == ("claude", "claude-code", "command", "function")
    assert registry.runners.names == ("coder", "github_actions", "local", "vm")
    assert registry.forges.names == ("github",)
    assert registry.sources.names == ("github",)
    assert (registry.observers, registry.preferences) == ((), ())


def test_a_plugin_is_made_with_its_config() -> None:
    made = plugins.load(Plugin()).executors.make("echo", {"loud": True})
    assert isinstance(made, Echo)
    assert made.config == {"loud": True}


def test_two_plugins_with_one_name_are_an_error() -> None:
    with pytest.raises(ConfigError, match="two plugins offer the executor 'echo'"):
        plugins.load(Plugin(), Plugin())


def test_a_name_nobody_offers_lists_those_there_are() -> None:
    with pytest.raises(
        ConfigError,
        match=r"no executor 'nonsense'; installed: claude, claude-code, command, function$",
    ):
        plugins.load().executors.make("nonsense")


def test_a_hook_that_does_not_exist_is_an_error() -> None:
    @hookimpl
    def register_executor(register: RegisterExecutor) -> None:
        raise NotImplementedError

    with pytest.raises(ConfigError, match="a plugin does not fit"):
        plugins.load(SimpleNamespace(register_executor=register_executor))


def choosing(answer: object) -> SimpleNamespace:
    """A plugin that prefers this, or fails with it."""

    @hookimpl
    def prefer(task: Task) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return SimpleNamespace(__name__=str(answer), prefer=prefer)


def test_without_a_preference_the_choice_is_buildds() -> None:
    assert plugins.load().prefer(task(), [pool("one")]) is None
    assert plugins.load(choosing(None)).prefer(task(), [pool("one")]) is None


def test_the_first_preference_by_name_counts() -> None:
    registry = plugins.load(choosing("two"), choosing(None), choosing("one"))
    assert registry.prefer(task(), [pool("one"), pool("two")]) == "one"


def test_what_cannot_be_preferred_is_logged_and_the_next_is_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = plugins.load(choosing(OSError("a full disk\n")), choosing("gone"), choosing("one"))
    assert registry.prefer(task(), [pool("one")]) == "one"
    assert caplog.messages == [
        "the plugin 'a full disk\\n' cannot prefer a pool: a full disk",
        "the plugin 'gone' prefers 'gone', which cannot start it",
    ]


def test_what_plugins_see_cannot_be_asynchronous() -> None:
    @hookimpl
    async def task_event(event: Event) -> None: ...

    with pytest.raises(ConfigError, match="task_event must be a plain `def`, not `async def`"):
        plugins.load(SimpleNamespace(__name__="late", task_event=task_event))


HEAVY = "sqlalchemy sqlmodel httpx2 anthropic github starlette rich psutil"


def test_loading_imports_nothing_heavy() -> None:
    check = f"""
import sys
from buildd import plugins
registry = plugins.load()
registry.executors.make("command", {{"command": "true"}})
print(*sorted(set({HEAVY.split()!r}) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_an_idle_agent_is_light() -> None:
    check = f"""
import sys
import buildd.cli.agent, buildd.agent, buildd.plugins
from buildd.client import connect_async
connect_async("http://127.0.0.1:3000", api_key="key")
buildd.plugins.load()
print(*sorted(set({HEAVY.split()!r}) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["httpx2"]
