"""What plugins offered, by name. Two plugins that want the same name are an error, not a race."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from inspect import iscoroutinefunction
from typing import Any, Generic, NamedTuple, TypeVar

import pluggy

from buildd.errors import ConfigError
from buildd.events import Event
from buildd.models import Pool, Task
from buildd.plugins import hookspecs
from buildd.plugins.hookspecs import Config
from buildd.roles import Executor, Forge, Runner, Source

T = TypeVar("T")

log = logging.getLogger("buildd.plugins")


@dataclass
class Register(Generic[T]):
    """Factories of one kind of thing."""

    kind: str
    _factories: dict[str, Callable[[Config], T]] = field(default_factory=dict)

    def __call__(self, name: str, factory: Callable[[Config], T]) -> None:
        """Take a factory. Raises `ConfigError` if the name is taken."""
        if name in self._factories:
            raise ConfigError(f"two plugins offer the {self.kind} {name!r}; uninstall one of them")
        self._factories[name] = factory

    @property
    def names(self) -> tuple[str, ...]:
        """Every name there is, sorted."""
        return tuple(sorted(self._factories))

    def make(self, name: str, config: Config | None = None) -> T:
        """Make the thing of that name. Raises `ConfigError` if there is none."""
        if name not in self._factories:
            known = ", ".join(self.names) or "none"
            raise ConfigError(f"there is no {self.kind} {name!r}; installed: {known}")
        return self._factories[name](config or {})


class Observer(NamedTuple):
    """A plugin that hears of events."""

    plugin: str
    tell: Callable[[Event], None]


class Preference(NamedTuple):
    """A plugin that has a say in where agents are started."""

    plugin: str
    ask: Callable[[Task, Sequence[Pool]], str | None]


@dataclass(frozen=True)
class Registry:
    """Everything that the installed plugins offer."""

    runners: Register[Runner] = field(default_factory=lambda: Register("runner"))
    executors: Register[Executor] = field(default_factory=lambda: Register("executor"))
    forges: Register[Forge] = field(default_factory=lambda: Register("forge"))
    sources: Register[Source] = field(default_factory=lambda: Register("source"))
    observers: tuple[Observer, ...] = ()
    preferences: tuple[Preference, ...] = ()

    @property
    def registers(
        self,
    ) -> tuple[Register[Runner] | Register[Executor] | Register[Forge] | Register[Source], ...]:
        """One for each kind of thing that has a name."""
        return self.runners, self.executors, self.forges, self.sources

    def prefer(self, task: Task, pools: Sequence[Pool]) -> str | None:
        """The name of the pool that should start an agent for the task, if a plugin cares. Raises nothing."""
        for plugin, ask in self.preferences:
            try:
                name = ask(task, pools)
            except Exception as problem:  # noqa: BLE001 - a stranger's code may fail in any way
                log.warning("the plugin %r cannot prefer a pool: %s", plugin, in_a_line(problem))
                continue
            if name in [pool.name for pool in pools]:
                return name
            if name is not None:
                log.warning("the plugin %r prefers %r, which cannot start it", plugin, name)
        return None


def load(*plugins: object) -> Registry:
    """Ask every installed plugin, and those given, what it offers.

    Raises `ConfigError` if a plugin cannot be imported, implements a hook that does not exist, or
    takes a name that is taken.
    """
    manager = _manager()
    for entry in installed():
        try:
            manager.register(entry.load(), name=entry.name)
        except Exception as problem:
            raise ConfigError(
                f"the plugin {entry.name!r} ({entry.value}) does not load: {in_a_line(problem)}"
            ) from problem
    for plugin in plugins:
        manager.register(plugin)
    try:
        return _offered(manager)
    except ConfigError:
        raise
    except Exception as problem:
        # pluggy does not say whose hook it was.
        raise ConfigError(
            f"a plugin fails: {in_a_line(problem)}; `buildd plugins list` tells which one"
        ) from problem


def load_one(entry: metadata.EntryPoint) -> Registry:
    """What one installed plugin offers. Raises whatever keeps it from loading."""
    manager = _manager()
    manager.register(entry.load(), name=entry.name)
    return _offered(manager)


def installed() -> tuple[metadata.EntryPoint, ...]:
    """Where the installed plugins are."""
    return tuple(metadata.entry_points(group=hookspecs.GROUP))


def in_a_line(problem: Exception) -> str:
    """What went wrong."""
    return (str(problem).strip() or type(problem).__name__).splitlines()[0]


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _offered(manager: pluggy.PluginManager) -> Registry:
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as problem:
        raise ConfigError(f"a plugin does not fit: {problem}") from problem
    registry = Registry(
        observers=tuple(Observer(*each) for each in _callers(manager, "task_event", "event")),
        preferences=tuple(
            Preference(*each) for each in _callers(manager, "prefer", "task", "pools")
        ),
    )
    manager.hook.register_runners(register=registry.runners)
    manager.hook.register_executors(register=registry.executors)
    manager.hook.register_forges(register=registry.forges)
    manager.hook.register_sources(register=registry.sources)
    return registry


def _callers(
    manager: pluggy.PluginManager, hook: str, *arguments: str
) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Each plugin's own part of a hook: called together, the first that fails would end the call."""
    parts = getattr(manager.hook, hook).get_hookimpls()
    for part in sorted(parts, key=lambda each: each.plugin_name):
        if iscoroutinefunction(part.function):
            name = part.plugin_name
            raise ConfigError(f"the plugin {name!r}: {hook} must be a plain `def`, not `async def`")
        yield part.plugin_name, partial(_call, part, arguments)


def _call(part: pluggy.HookImpl, names: tuple[str, ...], *values: Any) -> Any:
    # A plugin leaves out what it does not need.
    given = dict(zip(names, values, strict=True))
    return part.function(*(given[name] for name in part.argnames))
