"""Which Coder, which template, in whose name, and what becomes of a workspace that is not needed.

The token is no setting: it is `CODER_SESSION_TOKEN`, in the environment, as for Coder's own command.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

from pydantic import JsonValue

from buildd.errors import ConfigError
from buildd.loopback import is_loopback

TOKEN = "CODER_SESSION_TOKEN"  # noqa: S105 - the name of the variable

_PREFIX = re.compile(r"[a-z0-9]{1,7}")
_NAME = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
_KNOWN = frozenset({"url", "template", "parameters", "organization", "owner", "on_stop", "prefix"})


class OnStop(StrEnum):
    """What becomes of the workspace of a launch that is stopped."""

    DELETE = "delete"
    STOP = "stop"
    """It stays, with its disk, for people to look at and to delete."""


@dataclass(frozen=True)
class Settings:
    """How a `coder` runner is set up."""

    url: str
    """Where people open Coder, such as `https://coder.example.com`."""
    token: str = field(repr=False)
    template: str
    """The template's name."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the template besides those that each launch sets."""
    organization: str = "default"
    owner: str = "me"
    """Whose the workspaces are; `me` is the token's user."""
    on_stop: OnStop = OnStop.DELETE
    prefix: str = "bd"
    """What workspaces are called. Servers that share an owner at Coder need one each."""

    @classmethod
    def from_config(
        cls, config: Mapping[str, JsonValue], environ: Mapping[str, str] = os.environ
    ) -> Self:
        """From a pool's configuration and the environment. Raises `ConfigError`."""
        unknown = sorted(set(config) - _KNOWN)
        if unknown:
            raise ConfigError(f"{unknown[0]} is no setting of the runner `coder`")
        token = environ.get(TOKEN, "").strip()
        if not token:
            raise ConfigError(f"{TOKEN} is not set: make one with `coder tokens create`")
        return cls(
            url=_address(_text(config, "url")),
            token=token,
            template=_name(config, "template"),
            parameters=_parameters(config.get("parameters")),
            organization=_name(config, "organization", cls.organization),
            owner=_name(config, "owner", cls.owner),
            on_stop=_on_stop(_text(config, "on_stop", cls.on_stop)),
            prefix=_prefix(_text(config, "prefix", cls.prefix)),
        )


def _text(config: Mapping[str, JsonValue], key: str, default: str = "") -> str:
    given = config.get(key)
    if given is None and default:
        return default
    if not isinstance(given, str) or not given.strip():
        raise ConfigError(f"{key}: the runner `coder` needs it, as text")
    return given.strip()


def _name(config: Mapping[str, JsonValue], key: str, default: str = "") -> str:
    # It becomes a part of a path.
    name = _text(config, key, default)
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{key}: {name!r} is no name at Coder")
    return name


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        plain = bool(parts.hostname) and not (parts.username or parts.query or parts.fragment)
        private = parts.scheme == "https" or (
            parts.scheme == "http" and is_loopback(parts.hostname)
        )
    except ValueError:
        plain = private = False
    if not plain or not private:
        raise ConfigError("url must look like https://coder.example.com")
    return url.rstrip("/")


def _parameters(given: JsonValue) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(each, str) for each in given.values()):
        raise ConfigError("parameters must give a text to each name")
    taken = sorted(name for name in given if name.startswith("buildd_"))
    if taken:
        raise ConfigError(f"parameters: {taken[0]} is set by each launch")
    return {name: str(value) for name, value in given.items()}


def _on_stop(given: str) -> OnStop:
    try:
        return OnStop(given)
    except ValueError:
        raise ConfigError("on_stop must be delete or stop") from None


def _prefix(given: str) -> str:
    if not _PREFIX.fullmatch(given):
        raise ConfigError("prefix must be 1 to 7 lower-case letters and digits")
    return given
