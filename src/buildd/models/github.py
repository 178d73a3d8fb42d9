"""A GitHub source: what it is configured with, and what an issue means for a task.

GitHub's own shapes are read leniently: only what is needed, and whatever else is there is ignored.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from buildd.models._model import Capabilities, Flag, Name, Priority
from buildd.routing import RunnerPreference, Trust

GITHUB = "github"
"""The type of source."""
LONGEST_TITLE = 500
MOST_CAPABILITIES = 100
PERSON = "User"
"""The type of those who are no program."""
_TRUSTED = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_PRIORITIES = {"urgent": 500, "high": 100, "low": -100}
_MOST = 1000


class _Config(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


class Route(_Config):
    """What a label says about who is to do a task, and when."""

    priority: Priority | None = None
    runner_preference: RunnerPreference | None = None
    required_capabilities: Capabilities = []


class _Variable(_Config):
    """The environment variable that holds something secret where the source is synced."""

    env: Name


class GitHubConfig(_Config):
    """The `config` of a source of the type `github`."""

    repository: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}/[A-Za-z0-9._-]{1,100}$")
    ]
    """`owner/name`; buildd changes it when the repository is renamed."""
    repository_id: Annotated[int, Field(strict=True, ge=1)] | None = None
    """What the repository stays known by; noted with its first delivery."""
    label: Name = "buildd"
    """An open issue with this label is a task."""
    labels: dict[Name, Route] = {}
    """What further labels mean, besides `buildd:…`, `priority:…` and `needs:…`."""
    label_approves: Flag = False
    """Whether somebody else who sets the label approves what a stranger wrote in the issue."""
    follow_ups: Annotated[int, Field(strict=True, ge=0, le=20)] = 2
    """How many tasks are made at most of checks that fail on a task's branch after its end."""
    comments: Flag = True
    """Whether a comment on the issue tells how its task is going."""
    token: _Variable | None = None
    """For `buildd sources sync`, as are the next three; a server has its own credentials."""
    app_id: _Variable | str | None = None
    app_key_file: _Variable | str | None = None
    api: _Variable | str | None = None

    def routed(self, labels: Collection[str]) -> Route:
        """What an issue's labels say together. What is configured counts more than what is built in."""
        known = [_built_in(label) for label in sorted(labels)]
        known += [self.labels[label] for label in sorted(labels) if label in self.labels]
        needs = {need for route in known for need in route.required_capabilities}
        return Route(
            priority=next((r.priority for r in known[::-1] if r.priority is not None), None),
            runner_preference=next(
                (r.runner_preference for r in known[::-1] if r.runner_preference), None
            ),
            required_capabilities=sorted(needs)[:MOST_CAPABILITIES],
        )


def _built_in(label: str) -> Route:
    """What a label means without being configured: `buildd:action`, `priority:high`, `needs:gpu`."""
    kind, _, value = label.partition(":")
    if kind == "buildd" and value in set(RunnerPreference):
        return Route(runner_preference=RunnerPreference(value))
    if kind == "priority" and value in _PRIORITIES:
        return Route(priority=_PRIORITIES[value])
    if kind == "priority" and value.removeprefix("-").isdecimal() and abs(int(value)) <= _MOST:
        return Route(priority=int(value))
    if kind == "needs" and value:
        return Route(required_capabilities=[value])
    return Route()


class Shape(BaseModel):
    """Something as GitHub shows it."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _storable(text: str) -> str:
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").replace("\r\n", "\n")


GitHubText = Annotated[str, AfterValidator(_storable)]


class Person(Shape):
    """Somebody, or a program."""

    id: int
    login: str
    type: str = ""


class Label(Shape):
    """A label."""

    name: GitHubText


class Issue(Shape):
    """An issue; `pull_request` tells that it is one of those instead."""

    id: int
    number: int
    title: GitHubText
    body: GitHubText | None = None
    html_url: str
    state: Literal["open", "closed"]
    state_reason: str | None = None
    labels: list[Label] = []
    user: Person | None = None
    author_association: str = ""
    updated_at: AwareDatetime
    pull_request: Any = None

    @property
    def label_names(self) -> frozenset[str]:
        """Its labels."""
        return frozenset(label.name for label in self.labels)

    @property
    def trust(self) -> Trust:
        """Whose words it is made of. Whoever may change an issue of others could write the code too."""
        return trust_in(self.user, self.author_association)

    def wanted(self, config: GitHubConfig) -> bool:
        """Whether there should be a task of it."""
        return self.state == "open" and config.label in self.label_names

    def text(self) -> dict[str, Any]:
        """What an agent reads of it, as fields of a task, and how far that is trusted."""
        author = self.user.login if self.user else "ghost"
        return {
            "title": self.title.strip()[:LONGEST_TITLE] or f"Issue {self.number}",
            "description": self.body or None,
            "external_url": self.html_url,
            "context": {"github": {"issue": self.number, "author": author}},
            "trust": self.trust,
        }


def trust_in(person: Person | None, association: str) -> Trust:
    """How far somebody is trusted. Programs say what others made them say, whatever they are called."""
    known = person is not None and person.type == PERSON and association in _TRUSTED
    return Trust.COLLABORATOR if known else Trust.PUBLIC
