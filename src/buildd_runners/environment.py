"""What programs that are started here inherit of the environment: a short list, and no keys."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from buildd.errors import ConfigError

_PASSED = ("PATH", "HOME", "LANG", "TERM", "TZ", "USER", "LOGNAME", "SHELL", "TMPDIR")
_NEVER = ("BUILDD_API_KEY", "BUILDD_ADMIN_KEY", "BUILDD_GITHUB_TOKEN", "BUILDD_SECRET")


def named(config: Mapping[str, JsonValue], never: Iterable[str] = ()) -> tuple[str, ...]:
    """The variables that `pass_env` in a configuration names. Raises `ConfigError`, as `checked`."""
    names = config.get("pass_env") or []
    if not isinstance(names, list):
        raise ConfigError("pass_env must be a list of names")
    return checked(map(str, names), never)


def checked(names: Iterable[str], never: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of variables to pass on besides. Raises `ConfigError` for one that holds a key of ours."""
    wanted = tuple(names)
    refused = sorted({*wanted} & {*_NEVER, *never})
    if refused:
        raise ConfigError(f"{refused[0]} is never passed to a command")
    return wanted


def inherited(names: Iterable[str] = ()) -> dict[str, str]:
    """The harmless variables of this process, and those that are named."""
    wanted = {*_PASSED, *names}
    return {
        name: value
        for name, value in os.environ.items()
        if name in wanted or name.startswith("LC_")
    }
