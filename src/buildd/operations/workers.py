"""Workers: claimed, started, kept alive, asked and answered, ended."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from buildd.models import Beat, Claim, Claimed, QuestionType, Reported, Worker
from buildd.models._model import (
    Capabilities,
    Count,
    Flag,
    Id,
    Json,
    LongText,
    Name,
    Percent,
    Prompt,
    Text,
    Usd,
)
from buildd.operations._operation import Access, Operation, create, get, post
from buildd.operations._paging import Paged
from buildd.states import WorkerStatus

MAX_CLAIM = 50
MAX_WAIT_SECONDS = 60
MAX_REPORTS = 500


class ClaimTasks(Operation[Claim]):
    """Take up to `maxTasks` tasks that this account may work on, waiting for the first if asked to."""

    http = post("/api/workers/claim")
    access = Access.ACCOUNT
    workspace_id: Id | None = None
    task_id: Id | None = None
    capabilities: Capabilities = []
    max_tasks: Annotated[int, Field(strict=True, ge=1, le=MAX_CLAIM)] = 1
    wait_seconds: Annotated[int, Field(strict=True, ge=0, le=MAX_WAIT_SECONDS)] = 0
    agent_id: Name | None = None
    """Names this agent process, the same over its whole life."""
    runner: Name = "agent"
    """What kind of place the agent runs in."""
    run_id: Name | None = None
    """The run of an `action` account that this claim belongs to."""


class CreateWorker(Operation[Claimed]):
    """Claim one named task, or be told why not (409 `not_claimable`)."""

    http = create("/api/workers")
    access = Access.CLAIMER
    workspace_id: Id
    task_id: Id
    account_id: Id | None = None
    """For which account, when an administrator asks."""


class ListWorkers(Paged, Operation[list[Worker]]):
    """The workers the caller may see, newest first; a lease token sees those at its own task.

    With `open` only those that are not over, or only those that are.
    """

    http = get("/api/workers")
    access = Access.READER
    workspace_id: Id | None = None
    task_id: Id | None = None
    account_id: Id | None = None
    status: WorkerStatus | None = None
    open: bool | None = None


class GetWorker(Operation[Worker]):
    """One worker."""

    http = get("/api/workers/{id}")
    access = Access.READER
    id: Id


class Start(BaseModel, defer_build=True):
    """That an attempt begins."""

    id: Id


class StartWorker(Start, Operation[Worker]):
    """Begin (under the lease token), or, for a person, take a paused worker up again."""

    http = post("/api/workers/{id}/start")
    access = Access.MEMBER_OR_LEASE


class Sign(BaseModel, defer_build=True):
    """A sign of life with the attempt's totals so far."""

    id: Id
    status: Literal["running"] | None = None
    """Given once the work itself begins."""
    progress: Percent | None = None
    cost_usd: Usd | None = None
    turns: Count | None = None
    session_id: Text | None = None
    messages_after: Id | None = None
    """The last message the agent has processed."""


class Heartbeat(Sign, Operation[Beat]):
    """Renew the lease and report; figures are totals of the attempt so far. The answer carries orders."""

    http = post("/api/workers/{id}/heartbeat")
    access = Access.LEASE


class AskWorker(Operation[Worker]):
    """Ask a person something, and wait."""

    http = post("/api/workers/{id}/ask")
    access = Access.LEASE
    id: Id
    type: QuestionType
    prompt: Prompt
    options: Annotated[list[Text], Field(max_length=100)] | None = None


class AnswerWorker(Operation[Worker]):
    """Answer what a worker asked; the agent receives it as a message with role `user`."""

    http = post("/api/workers/{id}/answer")
    access = Access.MEMBER
    id: Id
    content: Prompt


class PauseWorker(Operation[Worker]):
    """Put a worker aside.

    A person's pause is a request, ordered with the next heartbeat; the agent confirms it with the same
    verb under its lease token. A worker that has not begun is paused at once.
    """

    http = post("/api/workers/{id}/pause")
    access = Access.MEMBER_OR_LEASE
    id: Id


class Success(BaseModel, defer_build=True):
    """That an attempt has done its task."""

    id: Id
    result: Json | None = None


class CompleteWorker(Success, Operation[Worker]):
    """Report success. At most one result per task is ever accepted."""

    http = post("/api/workers/{id}/complete")
    access = Access.LEASE


class Failure(BaseModel, defer_build=True):
    """That an attempt has failed, and whether another one makes sense."""

    id: Id
    error: LongText
    error_code: Name | None = None
    retryable: Flag = True


class FailWorker(Failure, Operation[Worker]):
    """Report failure; the task goes back while it has attempts left and the failure is retryable."""

    http = post("/api/workers/{id}/fail")
    access = Access.LEASE


class CancelWorker(Operation[Worker]):
    """Stop this attempt; its task goes back while it has attempts left."""

    http = post("/api/workers/{id}/cancel")
    access = Access.MEMBER
    id: Id


class _Batched(BaseModel):
    model_config = Operation.model_config

    token: Annotated[str, Field(max_length=200, repr=False)]
    """The lease token of the worker that the report is about."""


class BatchedStart(Start, _Batched):
    """`start` in a batch."""

    verb: Literal["start"]


class BatchedSign(Sign, _Batched):
    """`heartbeat` in a batch."""

    verb: Literal["heartbeat"]


class BatchedSuccess(Success, _Batched):
    """`complete` in a batch."""

    verb: Literal["complete"]


class BatchedFailure(Failure, _Batched):
    """`fail` in a batch."""

    verb: Literal["fail"]


BatchedReport = Annotated[
    BatchedStart | BatchedSign | BatchedSuccess | BatchedFailure, Field(discriminator="verb")
]


class ReportWorkers(Operation[list[Reported]]):
    """Many reports at once, each under its own lease token, each accepted or refused by itself."""

    http = post("/api/workers/batch")
    access = Access.CLAIMER
    reports: Annotated[list[BatchedReport], Field(min_length=1, max_length=MAX_REPORTS)]
