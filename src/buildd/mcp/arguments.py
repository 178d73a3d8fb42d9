"""What the tools take, where that is not simply what an operation takes.

Whoever works on a task holds a lease. Its token comes with the answer to `claim` and goes with every
call about the attempt, so that any server of a broker, now or after a restart, can serve any call.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field

from buildd.models import QuestionType
from buildd.models._model import Capabilities, Id, LongText, Percent, Prompt, Text
from buildd.operations import Operation
from buildd.operations.workers import Failure, Success

MOST_SECONDS = 45
"""How long a call may wait for something: less than what proxies and clients put up with."""

R = TypeVar("R")


class Take(BaseModel):
    """What `claim` takes."""

    model_config = Operation.model_config

    workspace_id: Annotated[Id | None, Field(description="Only a task of this workspace.")] = None
    task_id: Annotated[Id | None, Field(description="Only this task.")] = None
    capabilities: Annotated[
        Capabilities, Field(description="What you can do, for tasks that require it.")
    ] = []
    wait_seconds: Annotated[
        int,
        Field(strict=True, ge=0, le=MOST_SECONDS, description="How long to wait for a task."),
    ] = 0


class Held(BaseModel):
    """The attempt that a call is about, and the right to speak for it."""

    model_config = Operation.model_config

    id: Annotated[Id, Field(description="The attempt's `id`, as `claim` answered it.")]
    lease: Annotated[
        str,
        Field(
            pattern="^buildd_lease_[0-9A-Za-z]{1,100}$",
            repr=False,
            description="The `lease` that came with it.",
        ),
    ]

    def spoken(self, operation: type[Operation[R]]) -> Operation[R]:
        """The operation that these arguments stand for."""
        given: dict[str, Any] = self.model_dump(exclude_unset=True, exclude={"lease"})
        return operation(**given)


class Hearing(Held):
    """What every call takes that tells what people want."""

    messages_after: Annotated[
        Id | None, Field(description="The `id` of the last message that you have read.")
    ] = None


class Progress(Hearing):
    """What `report` takes."""

    progress: Annotated[Percent | None, Field(description="Percent of the work done.")] = None
    note: Annotated[
        LongText | None, Field(description="What people should know, in a sentence or two.")
    ] = None


class Question(Hearing):
    """What `ask` takes."""

    type: QuestionType
    prompt: Prompt
    options: Annotated[
        list[Text] | None, Field(max_length=100, description="Answers to choose from.")
    ] = None


class Completion(Success, Held):
    """What `complete` takes."""


class Surrender(Failure, Held):
    """What `fail` takes."""
