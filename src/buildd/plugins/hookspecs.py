"""The contract with plugin authors. Most hooks only hand over factories; the rest is `buildd.roles`.

What stands below is the manual: the reference page is made of it, and a test runs each example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import pluggy
from pydantic import JsonValue

from buildd.events import Event
from buildd.models import Pool, Task
from buildd.roles import Executor, Forge, Runner, Source

PROJECT = "buildd"
GROUP = "buildd.plugins"
"""The entry-point group: its value names a module (or object) with hook implementations."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Config = Mapping[str, JsonValue]
RunnerFactory = Callable[[Config], Runner]
ExecutorFactory = Callable[[Config], Executor]
ForgeFactory = Callable[[Config], Forge]
SourceFactory = Callable[[Config], Source]


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


class RegisterSource(Protocol):
    """Takes one type of source."""

    def __call__(self, name: str, factory: SourceFactory) -> None:
        """Offer a type of source under a name nobody else uses."""
        ...


@hookspec
def register_runners(register: RegisterRunner) -> None:
    """Offer places where agents can live: each a `Runner`, under a name that pools refer to.

    Call `register(name, factory)` once for each. The factory gets the configuration that people
    wrote, a mapping of JSON values that may be empty, and makes the runner. The plugin must be
    installed where the server runs.

    Called: once whenever plugins are loaded. The factory is called when a pool first needs its
    runner, for each pool, and again after each restart; import what is heavy there. Making a pool
    calls nothing: a wrong name or configuration is told by `buildd pools check`, or by a launch.

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


@hookspec
def register_sources(register: RegisterSource) -> None:
    """Offer places where tasks come from: each a `Source`, under the type that people name.

    Call `register(name, factory)` once for each. The factory gets the `config` of a workspace's
    source, a mapping of JSON values that may be empty. Secrets are not kept in it: a field that is
    `{"env": "TRACKER_TOKEN"}` there holds the value of that environment variable here.

    Called: once whenever plugins are loaded. The factory is called by `buildd sources sync`, where
    that runs, for each source of its type; import what is heavy there.

    Raises: `ConfigError`, with one line that names the field, from a factory that cannot make
    anything of its configuration. `register` raises it for a name that is taken.

    Example: the chores of a household, each a task once a week.

        from datetime import date
        from buildd.plugins import hookimpl
        from buildd.roles import SourceItem

        class Chores:
            def __init__(self, config):
                self.chores = config.get("chores", ["Water the plants"])

            async def items(self):
                year, week, _ = date.today().isocalendar()
                for chore in self.chores:
                    yield SourceItem(f"{year}-{week} {chore}", chore)

        @hookimpl
        def register_sources(register):
            register("chores", Chores)
    """


@hookspec
def task_event(event: Event) -> None:
    """Hear of what happens, to tell somebody or to count it: every event, as it was committed.

    It is for looking on. What it does comes after the fact and changes nothing of it; a plugin that
    must act for certain reads `client.events(after=…)` and keeps its own place.

    Called: in each server process, in the order of `seq`, at most once for each event that was
    committed between the server's start and its stop. N servers on one database call it N times for
    each event; a broker in a program of one's own never does. Each plugin has a thread of its own,
    so it may block: at most a few thousand events wait in memory, and one that lags is given older
    ones from the database, as long as that keeps them. What it has not heard when the server stops
    (which waits two seconds for it) it never hears.

    Raises: nothing that matters. An exception is one line in the server's log, and the next event
    comes all the same.

    Example: a line in the log for each attempt that went wrong.

        import logging
        from buildd.events import EventType
        from buildd.plugins import hookimpl

        @hookimpl
        def task_event(event):
            if event.type is EventType.WORKER_ERROR:
                logging.getLogger("pager").error("%s: %s", event.task_id, event.data["error"])
    """


@hookspec(firstresult=True)
def prefer(task: Task, pools: Sequence[Pool]) -> str | None:
    """Choose the pool that starts an agent for a task; None leaves the choice to buildd.

    `pools` are those that could: their account may take the task, and they have room. Return the
    `name` of one. Without a word from anybody it is the one that was made first.

    Called: in each server process, before an agent is started for a task that nobody has taken and
    that two pools or more could serve; again while that has not come about. Plugins are asked in
    the order of their names, and the first answer counts. All launches wait until it has
    answered: decide by what is given, and look nothing up.

    Raises: nothing that matters. An exception, or a name that is not among `pools`, is one line in
    the server's log, and the next plugin is asked.

    Example: what is urgent is done on machines that are on already.

        from buildd.plugins import hookimpl

        @hookimpl
        def prefer(task, pools):
            on = [pool.name for pool in pools if pool.runner in ("local", "vm")]
            return on[0] if on and task.priority >= 100 else None
    """
