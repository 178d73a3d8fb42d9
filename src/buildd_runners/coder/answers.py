"""What Coder's answers say, as far as a runner reads them.

Words are kept as they come: a newer Coder may have more of them, and one that nobody knows must
become "unknown", not an error.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator


def _some(value: object) -> object:
    """Go writes an empty list as null."""
    return [] if value is None else value


def _date(value: object) -> object:
    """Go writes a date that is not there as null, or as the year 1."""
    return None if isinstance(value, str) and value.startswith("0001-") else value


Deadline = Annotated[AwareDatetime | None, BeforeValidator(_date)]


class User(BaseModel):
    """Who a token belongs to."""

    id: str
    username: str


class Template(BaseModel):
    """What workspaces are made of."""

    id: str
    organization_id: str
    active_version_id: str


class TemplateParameter(BaseModel):
    """A parameter that a template takes."""

    name: str
    ephemeral: bool = False


class Parameter(BaseModel):
    """A parameter as a workspace has it."""

    name: str
    value: str


class Agent(BaseModel):
    """Coder's own agent in a workspace: whether it is connected, and how far it has come."""

    status: str
    lifecycle_state: str = ""


class Resource(BaseModel):
    """A part of a workspace, which may have agents."""

    agents: Annotated[list[Agent], BeforeValidator(_some)] = []


class Job(BaseModel):
    """The run of Terraform behind a build."""

    error: str = ""
    error_code: str = ""


class Build(BaseModel):
    """The latest change of a workspace, which also tells how the workspace is."""

    id: str
    transition: str
    status: str
    job: Job
    deadline: Deadline = None
    """When Coder stops it by itself."""
    max_deadline: Deadline = None
    resources: Annotated[list[Resource], BeforeValidator(_some)] = []

    @property
    def agents(self) -> list[Agent]:
        """All agents of the workspace."""
        return [agent for resource in self.resources for agent in resource.agents]

    @property
    def active(self) -> bool:
        """Whether it is still under way; Coder refuses another one until it has ended."""
        return self.status in {"pending", "starting", "stopping", "deleting", "canceling"}


class Workspace(BaseModel):
    """One workspace."""

    id: str
    name: str
    owner_name: str
    latest_build: Build


class Workspaces(BaseModel):
    """A page of a list."""

    workspaces: Annotated[list[Workspace], BeforeValidator(_some)]
    count: int


class Line(BaseModel):
    """A line of a build's log."""

    output: str = ""


class Refusal(BaseModel):
    """Why Coder said no."""

    class Validation(BaseModel):
        """What is wrong with one field."""

        field: str
        detail: str

    message: str
    detail: str = ""
    validations: Annotated[list[Validation], BeforeValidator(_some)] = []
