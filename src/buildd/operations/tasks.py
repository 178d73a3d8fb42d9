"""Tasks: put in, looked at, changed, called off, taken up again."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from buildd.models import Task, TaskCounts, Why
from buildd.models._model import (
    AtLeastOne,
    Capabilities,
    Id,
    Json,
    LongText,
    Name,
    Priority,
    Time,
    Title,
    Usd,
)
from buildd.operations._operation import (
    Access,
    Deleted,
    Operation,
    Patch,
    create,
    delete,
    get,
    patch,
    post,
)
from buildd.operations._paging import Paged, Separated
from buildd.routing import RunnerPreference, Trust
from buildd.states import OnDependencyFailure, TaskStatus

MAX_BATCH = 500
MAX_IDS = 100


class NewTask(BaseModel, defer_build=True):
    """What a task is made of."""

    workspace_id: Id
    title: Title
    description: LongText | None = None
    context: Json = {}
    source_id: Id | None = None
    external_id: Title | None = None
    external_url: LongText | None = None
    priority: Priority = 0
    runner_preference: RunnerPreference = RunnerPreference.ANY
    required_capabilities: Capabilities = []
    depends_on: Annotated[list[Id], Field(max_length=100)] = []
    not_before: Time | None = None
    max_attempts: AtLeastOne = 3
    max_cost: Usd | None = None
    timeout_seconds: AtLeastOne | None = None
    on_dependency_failure: OnDependencyFailure = OnDependencyFailure.FAIL
    trust: Trust = Trust.INTERNAL
    """Whose words it is made of: one of `public` trust waits until a person approves it."""


class CreateTask(NewTask, Operation[Task]):
    """Put in a piece of work."""

    http = create("/api/tasks", idempotent=True)
    access = Access.MEMBER
    idempotency_key: Name | None = None
    """Makes it safe to send this again within a day: the first answer is given again."""


class BatchedTask(NewTask):
    """One task of a batch."""

    model_config = Operation.model_config


class CreateTasks(Operation[list[Task]]):
    """Put in many pieces of work: all of them or, if one is refused, none."""

    http = create("/api/tasks/batch", idempotent=True)
    access = Access.MEMBER
    tasks: Annotated[list[BatchedTask], Field(min_length=1, max_length=MAX_BATCH)]
    idempotency_key: Name | None = None


class TaskFilter(BaseModel, defer_build=True):
    """Which tasks are meant; what is not given leaves none out."""

    workspace_id: Id | None = None
    source_id: Id | None = None
    runner_preference: RunnerPreference | None = None
    claimed_by: Id | None = None
    text: Title | None = None
    """In the title, in capitals or not; or the id or the `externalId` as a whole."""
    needs_approval: bool | None = None
    """Whether it waits for a person to approve it."""
    ids: Annotated[list[Id], *Separated, Field(min_length=1, max_length=MAX_IDS)] | None = None


class ListTasks(TaskFilter, Paged, Operation[list[Task]]):
    """The tasks the caller may see, newest first.

    `text` is looked for in the title, or is an id or `externalId`; several `ids` are separated by commas.
    """

    http = get("/api/tasks")
    access = Access.MEMBER
    status: TaskStatus | None = None


class CountTasks(TaskFilter, Operation[TaskCounts]):
    """How many tasks the caller may see in each state, how many need approval, and who waits for a person."""

    http = get("/api/tasks/counts")
    access = Access.MEMBER


class GetTask(Operation[Task]):
    """One task."""

    http = get("/api/tasks/{id}")
    access = Access.READER
    id: Id


class UpdateTask(Patch[Task]):
    """Change a task that nobody holds yet and that is not over; its title, priority, route or limits."""

    http = patch("/api/tasks/{id}")
    access = Access.MEMBER
    id: Id
    title: Title = ""
    description: LongText | None = None
    context: Json = {}
    external_url: LongText | None = None
    priority: Priority = 0
    runner_preference: RunnerPreference = RunnerPreference.ANY
    required_capabilities: Capabilities = []
    not_before: Time | None = None
    max_attempts: AtLeastOne = 3
    max_cost: Usd | None = None
    timeout_seconds: AtLeastOne | None = None
    trust: Trust = Trust.INTERNAL
    """Whose words it is made of now. Given as `public` with another text, it must be approved again."""


class DeleteTask(Operation[Deleted]):
    """Remove a task that nobody holds, with its history."""

    http = delete("/api/tasks/{id}")
    access = Access.MEMBER
    id: Id


class CancelTask(Operation[Task]):
    """Call a task off, at once; its agent is told with its next heartbeat."""

    http = post("/api/tasks/{id}/cancel")
    access = Access.MEMBER
    id: Id


class RetryTask(Operation[Task]):
    """Give a failed or cancelled task a fresh set of attempts."""

    http = post("/api/tasks/{id}/retry")
    access = Access.MEMBER
    id: Id
    max_cost: Usd | None = None
    """US dollars that it may cost from now on, its earlier attempts included; by default as before."""


class ApproveTask(Operation[Task]):
    """Vouch for the text of a task that anybody may have written, so that agents may claim it.

    Another text, from where the task comes from, must be approved again.
    """

    http = post("/api/tasks/{id}/approve")
    access = Access.MEMBER
    id: Id
    updated_at: Time | None = None
    """The task's `updatedAt` as you read it: refused if the task was changed since."""


class WhyTask(Operation[Why]):
    """Why nobody has taken a task: for every account the exact requirements that are not met."""

    http = get("/api/tasks/{id}/why")
    access = Access.MEMBER
    id: Id


class ReleaseTask(Operation[Task]):
    """Hand a task back, claimable at once by anybody.

    Its holder may, with its key or lease token, and so may an administrator. `reason: "drain"` under
    the lease token gives the attempt back too, for an agent that shuts down.
    """

    http = post("/api/tasks/{id}/release")
    access = Access.MEMBER_OR_LEASE
    id: Id
    reason: Literal["drain"] | None = None
