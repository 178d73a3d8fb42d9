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


class Trust(StrEnum):
    """Whose words a task is made of. It decides whether somebody must look at them first."""

    INTERNAL = "internal"
    """Of people and programs with a key to buildd."""
    COLLABORATOR = "collaborator"
    """Of people who may write where the task comes from."""
    PUBLIC = "public"
    """Of anybody at all: nobody may claim it until a person has approved it."""


def prefers(preference: RunnerPreference, account: AccountType) -> bool:
    """Whether a task of this preference may go to an account of this type."""
    return preference == RunnerPreference.ANY or preference.value == account.value


def capable(required: Collection[str], offered: Collection[str]) -> bool:
    """Whether an agent that offers these capabilities has all that a task requires."""
    return set(required) <= set(offered)
