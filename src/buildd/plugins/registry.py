"""What plugins offered, by name. Two plugins that want the same name are an error, not a race."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from typing import Generic, TypeVar

import pluggy

from buildd.errors import ConfigError
from buildd.plugins import hookspecs
from buildd.plugins.hookspecs import Config
from buildd.roles import Executor, Forge, Runner

T = TypeVar("T")


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


@dataclass(frozen=True)
class Registry:
    """Everything that the installed plugins offer."""

    runners: Register[Runner] = field(default_factory=lambda: Register("runner"))
    executors: Register[Executor] = field(default_factory=lambda: Register("executor"))
    forges: Register[Forge] = field(default_factory=lambda: Register("forge"))

    @property
    def registers(self) -> tuple[Register[Runner] | Register[Executor] | Register[Forge], ...]:
        """One for each kind of thing."""
        return self.runners, self.executors, self.forges


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
    registry = Registry()
    manager.hook.register_runners(register=registry.runners)
    manager.hook.register_executors(register=registry.executors)
    manager.hook.register_forges(register=registry.forges)
    return registry
