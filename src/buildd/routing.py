"""Who may take what, as pure questions: the words the claim's SQL predicate is written in."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


class AccountType(StrEnum):
    """Who claims."""

    USER = "user"
    """A person's laptop or Coder workspace."""
    SERVICE = "service"
    """An always-on machine."""
    ACTION = "action"
    """GitHub Actions."""


class RunnerPreference(StrEnum):
    """Which type of account a task is for."""

    ANY = "any"
    USER = "user"
    SERVICE = "service"
    ACTION = "action"


def prefers(preference: RunnerPreference, account: AccountType) -> bool:
    """Whether a task of this preference may go to an account of this type."""
    return preference == RunnerPreference.ANY or preference.value == account.value


def capable(required: Collection[str], offered: Collection[str]) -> bool:
    """Whether an agent that offers these capabilities has all that a task requires."""
    return set(required) <= set(offered)
