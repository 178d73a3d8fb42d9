"""What tokens cost: the API reports usage, never money, so a dated table turns one into the other."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from buildd.errors import ConfigError

_MILLION = Decimal(1_000_000)
_SNAPSHOT = re.compile(r"-\d{8}")


@dataclass(frozen=True)
class Tokens:
    """What one request to a model used; the kinds do not overlap."""

    input: int = 0
    output: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0

    @property
    def prompt(self) -> int:
        """How long the prompt was, with what was read from a cache."""
        return self.input + self.cache_write_5m + self.cache_write_1h + self.cache_read


class Rates(BaseModel):
    """US dollars for a million tokens of each kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)
    cache_write_5m: Decimal = Field(ge=0)
    cache_write_1h: Decimal = Field(ge=0)
    cache_read: Decimal = Field(ge=0)

    def of(self, tokens: Tokens) -> Decimal:
        """What these tokens cost, in US dollars."""
        kinds = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")
        parts = (getattr(self, kind) * getattr(tokens, kind) for kind in kinds)
        return sum(parts, Decimal(0)) / _MILLION


class Price(Rates):
    """What one model costs; beyond `above` tokens of prompt a request is billed by `long`."""

    above: int | None = Field(default=None, gt=0)
    long: Rates | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Price:
        if (self.above is None) != (self.long is None):
            raise ValueError("`above` and `long` belong together")
        return self

    def of(self, tokens: Tokens) -> Decimal:
        """What one request with these tokens costs, in US dollars."""
        if self.above is not None and self.long is not None and tokens.prompt > self.above:
            return self.long.of(tokens)
        return super().of(tokens)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    as_of: str | None = None
    source: str | None = None
    models: dict[str, Price]


class Prices:
    """The price of every known model."""

    def __init__(self, models: Mapping[str, Price]) -> None:
        self._models = models

    @classmethod
    def load(cls, more: Path | None = None) -> Prices:
        """The table that comes with buildd, and over it the rows of a file of one's own.

        Raises `ConfigError` naming the file and what is wrong with it.
        """
        own = resources.files("buildd_runners.claude").joinpath("prices.toml").read_text("utf-8")
        models = _parse(own, "prices.toml")
        if more is not None:
            try:
                text = more.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as problem:
                said = getattr(problem, "strerror", None) or "is not UTF-8 text"
                raise ConfigError(f"--prices {more}: {said}") from None
            models |= _parse(text, f"--prices {more}")
        return cls(models)

    def of(self, model: str) -> Price:
        """The price of a model. Raises `ConfigError`: what has no price cannot be kept in a budget."""
        price = self._models.get(model) or self._models.get(_SNAPSHOT.sub("", model))
        if price is None:
            raise ConfigError(
                f"the price of the model {model!r} is not known, and so no budget could be kept: "
                f"name another with --model, or give its price in a file with --prices"
            )
        return price


def _parse(text: str, where: str) -> dict[str, Price]:
    try:
        written: dict[str, Any] = tomllib.loads(text, parse_float=Decimal)
        return _Table.model_validate(written).models
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{where}: is not valid TOML: {problem}") from None
    except ValidationError as problem:
        first = problem.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{where}: {field}: {first['msg']}") from None
