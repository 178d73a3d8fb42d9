"""Programs that the `command` executor knows how to run and to read; the knowledge is data."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from buildd.errors import ConfigError

_MOST = 1_000_000
"""US dollars that no line of output is believed to tell of."""


class _Known(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)


@dataclass(frozen=True)
class ToolUse:
    """A tool that a program used, or what it gave back."""

    name: str
    input: Any = None
    output: Any = None


@dataclass(frozen=True)
class Event:
    """What one line of a program's output means."""

    text: str = ""
    joined: bool = False
    """Whether the text goes on where the one before it ended."""
    tool: ToolUse | None = None
    cost: Decimal = Decimal(0)
    turns: int = 0


class Rule(_Known):
    """How to read lines of one kind: paths such as `item.text` into the line's object."""

    where: dict[str, str]
    text: str | None = None
    joined: bool = False
    tool: str | None = None
    input: str | None = None
    output: str | None = None
    cost: str | None = None
    turn: bool = False

    def fits(self, line: Mapping[str, Any]) -> bool:
        """Whether a line is of this kind."""
        return all(_at(line, path) == value for path, value in self.where.items())

    def read(self, line: Mapping[str, Any]) -> Event:
        """What a line of this kind says."""
        text = _at(line, self.text)
        name = _at(line, self.tool)
        tool = ToolUse(str(name), _at(line, self.input), _at(line, self.output))
        return Event(
            text=text if isinstance(text, str) else "",
            joined=self.joined,
            tool=tool if isinstance(name, str) and name else None,
            cost=_dollars(_at(line, self.cost)),
            turns=int(self.turn),
        )


class Template(_Known):
    """A program, and how its output is to be read."""

    command: str
    pass_env: tuple[str, ...] = ()
    tried: str | None = None
    """The version that buildd was tried with; None: its command line comes from its manual."""
    rules: tuple[Rule, ...] = Field(default=(), alias="line")

    @property
    def program(self) -> str:
        """The name of the program itself."""
        return self.command.split()[0]

    def with_model(self, model: str | None) -> str:
        """The command line, with the model that is wanted."""
        return f"{self.command} --model {shlex.quote(model)}" if model else self.command

    def read(self, line: str) -> Event | None:
        """What a line of output means; None for one that is plain text."""
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not self.rules or not isinstance(found, dict):
            return None
        return next((rule.read(found) for rule in self.rules if rule.fits(found)), Event())


@cache
def templates() -> Mapping[str, Template]:
    """All that are known, by name."""
    import tomllib

    text = resources.files(__package__).joinpath("templates.toml").read_text(encoding="utf-8")
    return {name: Template(**fields) for name, fields in tomllib.loads(text).items()}


def template(name: str) -> Template:
    """The template of that name. Raises `ConfigError` if there is none."""
    known = templates()
    if name not in known:
        raise ConfigError(f"there is no template {name!r}; there are {', '.join(sorted(known))}")
    return known[name]


def _at(line: Any, path: str | None) -> Any:
    if path is None:
        return None
    for name in path.split("."):
        line = line.get(name) if isinstance(line, Mapping) else None
    return line


def _dollars(value: object) -> Decimal:
    try:
        amount = Decimal(str(value)) if isinstance(value, (int, float)) else Decimal(0)
        return amount if 0 < amount < _MOST else Decimal(0)
    except InvalidOperation:
        return Decimal(0)
