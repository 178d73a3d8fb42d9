"""`@agent.handler`: marks the function of a script that does tasks, for `buildd-agent --handler`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from buildd.agent.function import Handler
from buildd.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__buildd_handler__"


def handler(function: F) -> F:
    """Mark the function that does tasks; `buildd-agent --handler MODULE` finds it and calls it.

    It takes a `BlockingSession`, or, as a coroutine function, a `Session`, and returns what
    `buildd.agent.serve` takes. Otherwise it stays as it is.
    """
    setattr(function, _MARK, True)
    return function


def find_handler(where: str) -> Handler:
    """The function that `module:function` names, or the one that is marked in `module`.

    Modules are found in the working directory too. Raises `ConfigError`.
    """
    name, _, attribute = where.partition(":")
    if not name or name.startswith("."):
        raise ConfigError(f"--handler {where!r}: name a module, such as `refunds` for refunds.py")
    module = _import(name)
    if not attribute:
        return _marked(module)
    found: Any = getattr(module, attribute, None)
    if not callable(found):
        raise ConfigError(f"--handler {where}: there is no function {attribute!r} in {name}")
    return found  # type: ignore[no-any-return]  # that it is callable is all that can be known


def _import(name: str) -> ModuleType:
    if name.endswith(".py"):
        raise ConfigError(f"--handler {name}: give the module's name, {name.removesuffix('.py')}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        raise ConfigError(f"--handler {name}: there is no module {problem.name!r}") from None
    except (Exception, SystemExit) as problem:
        said = f"{type(problem).__name__}: {problem}".removesuffix(": ")
        raise ConfigError(f"--handler {name}: it cannot be imported: {said}") from problem


def _marked(module: ModuleType) -> Handler:
    name = module.__name__
    found = {key: each for key, each in vars(module).items() if getattr(each, _MARK, False) is True}
    if len(found) != 1:
        marked = ", ".join(found) or "none"
        raise ConfigError(
            f"--handler {name}: one function must be marked with @agent.handler, and there is "
            f"{marked}; or name it: --handler {name}:FUNCTION"
        )
    [only] = found.values()
    return only  # type: ignore[no-any-return]
