"""The contract with plugin authors. Hooks only hand over factories; the rest is `buildd.roles`."""

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
    """Offer places where an agent can live. Called once; import heavy things in the factory."""


@hookspec
def register_executors(register: RegisterExecutor) -> None:
    """Offer ways to do the work. Called once; import heavy things in the factory."""


@hookspec
def register_forges(register: RegisterForge) -> None:
    """Offer places where repositories are reviewed. Called once; import heavy things in the factory."""
