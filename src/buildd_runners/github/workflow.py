"""Which workflow a `github_actions` runner starts, with what, and what it calls the runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from pydantic import JsonValue

from buildd.errors import ConfigError
from buildd.roles import LaunchOrder

EVENT_TYPE = "buildd-task"
"""The `repository_dispatch` that a workflow listens to."""
LAUNCH = "launch"
"""The input that becomes the run's name."""
_TASK = "task_id"
_MOST_INPUTS = 8
"""Of the operator's own: GitHub takes ten keys in a `client_payload`, and two are ours."""
_REPOSITORY = re.compile(r"[A-Za-z0-9-]{1,39}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.ya?ml")
_WORD = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Event(StrEnum):
    """How a run is asked for."""

    WORKFLOW = "workflow_dispatch"
    """Of one workflow, at any ref. GitHub says at once which run it made."""
    REPOSITORY = "repository_dispatch"
    """Of whatever listens on the default branch. GitHub says no more than that it has heard."""


@dataclass(frozen=True)
class Workflow:
    """One workflow of one repository."""

    repository: str
    """`owner/name`."""
    file: str = "buildd.yml"
    """Its name in `.github/workflows`."""
    event: Event = Event.WORKFLOW
    ref: str | None = None
    """The branch or tag it is run at; None for the default branch."""
    mark: str = "buildd"
    """How the names of the runs begin. Servers that share a workflow need one each."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """What it gets besides. Everybody who can read the repository's runs can read them."""

    @classmethod
    def from_config(cls, config: Mapping[str, JsonValue]) -> Self:
        """From `repository`, and `workflow`, `event`, `ref`, `mark` and `inputs` where given.

        Raises `ConfigError`.
        """
        workflow = cls(
            repository=_matching(config, "repository", _REPOSITORY, "owner/name"),
            file=_matching(config, "workflow", _FILE, "the name of a file, such as buildd.yml"),
            event=_event(config.get("event") or Event.WORKFLOW),
            ref=str(config["ref"]) if config.get("ref") else None,
            mark=_matching(config, "mark", _WORD, "letters, digits, _ and -"),
            inputs=_inputs(config.get("inputs") or {}),
        )
        if workflow.ref and workflow.event is Event.REPOSITORY:
            raise ConfigError(f"ref: a {Event.REPOSITORY} always runs the default branch")
        return workflow

    @property
    def owner(self) -> str:
        """Who the repository belongs to."""
        return self.repository.partition("/")[0]

    @property
    def name(self) -> str:
        """The repository's name."""
        return self.repository.partition("/")[2]

    def run_name(self, order_id: str) -> str:
        """What the run of an order is called. Raises `ConfigError` for an id that cannot be used."""
        if not _WORD.fullmatch(order_id):
            raise ConfigError(f"{order_id!r} cannot name a launch")
        return f"{self.mark}/{order_id}"

    def order_id(self, run_name: str) -> str | None:
        """The order that a run of this name was made for; None if it is somebody else's."""
        mark, _, order_id = run_name.partition("/")
        return order_id if mark == self.mark and _WORD.fullmatch(order_id) else None

    def payload(self, order: LaunchOrder) -> dict[str, str]:
        """What a run is told. It can be read by others: the order's key is not in it."""
        ours = {LAUNCH: self.run_name(order.id)}
        if order.task_id:
            ours[_TASK] = order.task_id
        return {**self.inputs, **ours}


def _matching(
    config: Mapping[str, JsonValue], name: str, pattern: re.Pattern[str], meant: str
) -> str:
    defaults = {"workflow": Workflow.file, "mark": Workflow.mark}
    value = config.get(name) or defaults.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ConfigError(f"{name} must be {meant}")
    return value


def _event(value: JsonValue) -> Event:
    try:
        return Event(str(value))
    except ValueError:
        raise ConfigError(f"event must be {' or '.join(Event)}") from None


def _inputs(value: JsonValue) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(each, str) for each in value.values()):
        raise ConfigError("inputs must be an object whose values are text")
    taken = {LAUNCH, _TASK} & value.keys()
    if taken:
        raise ConfigError(f"inputs: {taken.pop()} is given by buildd")
    if len(value) > _MOST_INPUTS:
        raise ConfigError(f"inputs: at most {_MOST_INPUTS}")
    return {name: str(each) for name, each in value.items()}
