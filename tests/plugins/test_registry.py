from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from buildd import plugins
from buildd.errors import ConfigError
from buildd.plugins import hookimpl
from buildd.plugins.hookspecs import Config, RegisterExecutor
from buildd.roles import Completed, Outcome, Session


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


def test_a_plugin_is_made_with_its_config() -> None:
    made = plugins.load(Plugin()).executors.make("echo", {"loud": True})
    assert isinstance(made, Echo)
    assert made.config == {"loud": True}


def test_two_plugins_with_one_name_are_an_error() -> None:
    with pytest.raises(ConfigError, match="two plugins offer the executor 'echo'"):
        plugins.load(Plugin(), Plugin())


def test_a_name_nobody_offers_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no executor 'nonsense'; installed: claude, "):
        plugins.load().executors.make("nonsense")


def test_a_hook_that_does_not_exist_is_an_error() -> None:
    @hookimpl
    def register_executor(register: RegisterExecutor) -> None:
        raise NotImplementedError

    with pytest.raises(ConfigError, match="a plugin does not fit"):
        plugins.load(SimpleNamespace(register_executor=register_executor))


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
