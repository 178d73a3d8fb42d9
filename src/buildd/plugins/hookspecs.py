"""The contract with plugin authors. Hooks only hand over factories; the rest is `buildd.roles`.

What stands below is the manual: the reference page is made of it, and a test runs each example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import pluggy
from pydantic import JsonValue

from buildd.roles import Executor, Forge, Runner

PROJECT = "buildd"
GROUP = "buildd.plugins"
"""The entry-point group: its value names a module (or object) with hook implementations."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Config = Mapping[str, JsonValue]
RunnerFactory = Callable[[Config], Runner]
ExecutorFactory = Callable[[Config], Executor]
ForgeFactory = Callable[[Config], Forge]


class RegisterRunner(Protocol):
    """Takes one runner."""

    def __call__(self, name: str, factory: RunnerFactory) -> None:
        """Offer a runner under a name nobody else uses."""
        ...


class RegisterExecutor(Protocol):
    """Takes one executor."""

    def __call__(self, name: str, factory: ExecutorFactory) -> None:
        """Offer an executor under a name nobody else uses."""
        ...


class RegisterForge(Protocol):
    """Takes one forge."""

    def __call__(self, name: str, factory: ForgeFactory) -> None:
        """Offer a forge under a name nobody else uses."""
        ...


@hookspec
def register_runners(register: RegisterRunner) -> None:
    """Offer places where agents can live: each a `Runner`, under a name that pools refer to.

    Call `register(name, factory)` once for each. The factory gets the configuration that people
    wrote, a mapping of JSON values that may be empty, and makes the runner.

    Called: once whenever plugins are loaded. The factory is called when somebody uses the name, and
    again after each restart; import what is heavy there.

    Raises: `ConfigError`, with one line that names the setting, from a factory that cannot make
    anything of its configuration. `register` raises it for a name that is taken.

    Example: the runner for this machine, with its launches on another disk.

        from buildd.plugins import hookimpl

        @hookimpl
        def register_runners(register):
            register("local-on-data", on_data)

        def on_data(config):
            from buildd_runners.local import LocalRunner
            return LocalRunner.from_config({"state_dir": "/data/buildd", **config})
    """


@hookspec
def register_executors(register: RegisterExecutor) -> None:
    """Offer ways to do the work: each an `Executor`, for `buildd-agent --executor NAME`.

    Call `register(name, factory)` once for each. The factory gets the options of `buildd-agent` for
    executors (`command`, `template`, `handler`, `model`, `max_turns`, `permission_mode`, `prices`,
    each None if it was not given; `pass_env`, a list) and makes one executor, which then serves
    every attempt of the agent. Whatever else it needs it reads from the environment.

    Called: once whenever plugins are loaded. The factory is called when an agent starts; import
    what is heavy there.

    Raises: `ConfigError`, with one line that names the option, from a factory that cannot make
    anything of it: the agent ends with that line before it takes a task. `register` raises it for a
    name that is taken.

    Example: an agent that repeats the task's title.

        from buildd.plugins import hookimpl
        from buildd.roles import Completed

        class Echo:
            async def run(self, session):
                await session.say(session.task.title)
                return Completed({"title": session.task.title})

        @hookimpl
        def register_executors(register):
            register("echo", lambda config: Echo())
    """


@hookspec
def register_forges(register: RegisterForge) -> None:
    """Offer places where repositories are reviewed: each a `Forge`, which opens pull requests.

    Call `register(name, factory)` once for each. The factory gets the server's settings for the
    forge. The server of this version asks for the one named `github` only.

    Called: once whenever plugins are loaded. The factory is called when the server starts with
    settings for the forge; import what is heavy there.

    Raises: `ConfigError`, with one line that names the setting, from a factory that cannot make
    anything of its configuration: the server does not start. `register` raises it for a name that
    is taken.

    Example: a forge that takes pull requests for repositories of its own, and nobody else's.

        from buildd.errors import NotConfigured
        from buildd.models import PullRequest
        from buildd.plugins import hookimpl

        class Village:
            def open_pull_request(self, order):
                if not order.repo.startswith("https://village.example/"):
                    raise NotConfigured(f"{order.repo} is not in the village")
                return PullRequest(
                    number=1, url=f"{order.repo}/pulls/1", branch=order.branch, base="main"
                )

        @hookimpl
        def register_forges(register):
            register("village", lambda config: Village())
    """
