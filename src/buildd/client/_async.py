"""The façade: `bd.tasks.create(…)`, one line for each operation. `_sync.py` is made from this file.

A resource method takes exactly the fields of its operation, by name, and returns the operation's
answer; whatever can go wrong is in `buildd.errors`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from pydantic import ValidationError

from buildd import operations as ops
from buildd.client._pieces import AsyncSource, async_pieces, named
from buildd.client._transport import AsyncTransport, checked
from buildd.events import Event, EventType, Filter
from buildd.operations import Download, Operation, Transfer, Upload
from buildd.wire import invalid

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=Operation[Any] | Transfer)


class AsyncResource:
    """The operations on one kind of thing."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client


class AsyncVerb(Generic[P, R]):
    """An operation as a method: its signature is the operation's own."""

    def __init__(self, operation: Callable[P, Operation[R]]) -> None:
        self.operation = operation
        self.__doc__ = operation.__doc__

    def __get__(self, resource: AsyncResource, owner: type) -> Callable[P, Awaitable[R]]:
        async def call(*args: P.args, **fields: P.kwargs) -> R:
            return await resource.client.send(_build(self.operation, *args, **fields))

        call.__doc__ = self.__doc__
        return call


class AsyncUploading(Generic[P, R]):
    """An upload as a method: first the content, then the fields of the upload.

    The content is a path, bytes, or pieces as they come; it is never in memory as a whole. A path
    gives its name to the file, and the name its type, unless you give them.
    """

    def __init__(self, upload: Callable[P, Upload[R]]) -> None:
        self.operation = upload
        self.__doc__ = upload.__doc__

    def __get__(
        self, resource: AsyncResource, owner: type
    ) -> Callable[Concatenate[AsyncSource, P], Awaitable[R]]:
        async def call(content: AsyncSource, /, *args: P.args, **fields: P.kwargs) -> R:
            fields.update({**named(content, fields.get("filename")), **fields})
            upload = _build(self.operation, *args, **fields)
            return await resource.client.transport.upload(upload, async_pieces(content))

        call.__doc__ = self.__doc__
        return call


class AsyncDownloading(Generic[P]):
    """A download as a method: it gives the bytes piece by piece."""

    def __init__(self, download: Callable[P, Download]) -> None:
        self.operation = download
        self.__doc__ = download.__doc__

    def __get__(
        self, resource: AsyncResource, owner: type
    ) -> Callable[P, AsyncGenerator[bytes, None]]:
        def call(*args: P.args, **fields: P.kwargs) -> AsyncGenerator[bytes, None]:
            download = _build(self.operation, *args, **fields)
            return resource.client.transport.download(download)

        call.__doc__ = self.__doc__
        return call


class AsyncAccounts(AsyncResource):
    """Who claims, with which keys, and where."""

    create = AsyncVerb(ops.CreateAccount)
    list = AsyncVerb(ops.ListAccounts)
    get = AsyncVerb(ops.GetAccount)
    me = AsyncVerb(ops.GetMe)
    update = AsyncVerb(ops.UpdateAccount)
    drain = AsyncVerb(ops.DrainAccount)
    delete = AsyncVerb(ops.DeleteAccount)
    create_key = AsyncVerb(ops.CreateKey)
    keys = AsyncVerb(ops.ListKeys)
    rotate_key = AsyncVerb(ops.RotateKey)
    revoke_key = AsyncVerb(ops.RevokeKey)
    create_enrolment = AsyncVerb(ops.CreateEnrolment)
    enrol = AsyncVerb(ops.Enrol)
    create_admin_key = AsyncVerb(ops.CreateAdminKey)
    admin_keys = AsyncVerb(ops.ListAdminKeys)
    rotate_admin_key = AsyncVerb(ops.RotateAdminKey)
    revoke_admin_key = AsyncVerb(ops.RevokeAdminKey)
    grant = AsyncVerb(ops.GrantWorkspace)
    grants = AsyncVerb(ops.ListGrants)
    revoke_grant = AsyncVerb(ops.RevokeGrant)


class AsyncAgents(AsyncResource):
    """The processes that ask for work."""

    list = AsyncVerb(ops.ListAgents)


class AsyncWorkspaces(AsyncResource):
    """Repositories with their tasks."""

    create = AsyncVerb(ops.CreateWorkspace)
    list = AsyncVerb(ops.ListWorkspaces)
    get = AsyncVerb(ops.GetWorkspace)
    update = AsyncVerb(ops.UpdateWorkspace)
    delete = AsyncVerb(ops.DeleteWorkspace)


class AsyncSources(AsyncResource):
    """Where tasks come from."""

    create = AsyncVerb(ops.CreateSource)
    list = AsyncVerb(ops.ListSources)
    get = AsyncVerb(ops.GetSource)
    update = AsyncVerb(ops.UpdateSource)
    secret = AsyncVerb(ops.RevealSecret)
    delete = AsyncVerb(ops.DeleteSource)


class AsyncTasks(AsyncResource):
    """The work."""

    create = AsyncVerb(ops.CreateTask)
    create_many = AsyncVerb(ops.CreateTasks)
    list = AsyncVerb(ops.ListTasks)
    count = AsyncVerb(ops.CountTasks)
    get = AsyncVerb(ops.GetTask)
    update = AsyncVerb(ops.UpdateTask)
    delete = AsyncVerb(ops.DeleteTask)
    cancel = AsyncVerb(ops.CancelTask)
    retry = AsyncVerb(ops.RetryTask)
    release = AsyncVerb(ops.ReleaseTask)
    approve = AsyncVerb(ops.ApproveTask)
    why = AsyncVerb(ops.WhyTask)


class AsyncSchedules(AsyncResource):
    """Tasks that come again."""

    create = AsyncVerb(ops.CreateSchedule)
    list = AsyncVerb(ops.ListSchedules)
    get = AsyncVerb(ops.GetSchedule)
    update = AsyncVerb(ops.UpdateSchedule)
    delete = AsyncVerb(ops.DeleteSchedule)


class AsyncWorkers(AsyncResource):
    """The attempts."""

    claim = AsyncVerb(ops.ClaimTasks)
    create = AsyncVerb(ops.CreateWorker)
    list = AsyncVerb(ops.ListWorkers)
    get = AsyncVerb(ops.GetWorker)
    start = AsyncVerb(ops.StartWorker)
    heartbeat = AsyncVerb(ops.Heartbeat)
    ask = AsyncVerb(ops.AskWorker)
    answer = AsyncVerb(ops.AnswerWorker)
    pause = AsyncVerb(ops.PauseWorker)
    complete = AsyncVerb(ops.CompleteWorker)
    fail = AsyncVerb(ops.FailWorker)
    cancel = AsyncVerb(ops.CancelWorker)
    report = AsyncVerb(ops.ReportWorkers)
    open_pull_request = AsyncVerb(ops.OpenPullRequest)


class AsyncPools(AsyncResource):
    """Where agents are started when there is work."""

    create = AsyncVerb(ops.CreatePool)
    list = AsyncVerb(ops.ListPools)
    get = AsyncVerb(ops.GetPool)
    update = AsyncVerb(ops.UpdatePool)
    delete = AsyncVerb(ops.DeletePool)
    check = AsyncVerb(ops.CheckPool)
    reap = AsyncVerb(ops.ReapPool)


class AsyncLaunches(AsyncResource):
    """What pools started."""

    list = AsyncVerb(ops.ListLaunches)
    get = AsyncVerb(ops.GetLaunch)
    stop = AsyncVerb(ops.StopLaunch)


class AsyncHooks(AsyncResource):
    """URLs that are called when something happens."""

    create = AsyncVerb(ops.CreateHook)
    list = AsyncVerb(ops.ListHooks)
    get = AsyncVerb(ops.GetHook)
    update = AsyncVerb(ops.UpdateHook)
    delete = AsyncVerb(ops.DeleteHook)
    rotate = AsyncVerb(ops.RotateHook)
    test = AsyncVerb(ops.TestHook)
    deliveries = AsyncVerb(ops.ListDeliveries)
    redeliver = AsyncVerb(ops.Redeliver)


class AsyncArtifacts(AsyncResource):
    """What attempts made."""

    create = AsyncVerb(ops.CreateArtifact)
    list = AsyncVerb(ops.ListArtifacts)
    get = AsyncVerb(ops.GetArtifact)

    upload = AsyncUploading(ops.UploadArtifact)
    content = AsyncDownloading(ops.DownloadArtifact)


class AsyncComments(AsyncResource):
    """Remarks on artifacts."""

    create = AsyncVerb(ops.CreateComment)
    list = AsyncVerb(ops.ListComments)
    update = AsyncVerb(ops.UpdateComment)


class AsyncMessages(AsyncResource):
    """What was said during attempts."""

    create = AsyncVerb(ops.CreateMessage)
    create_many = AsyncVerb(ops.CreateMessages)
    list = AsyncVerb(ops.ListMessages)

    attach = AsyncUploading(ops.UploadAttachment)
    attached = AsyncDownloading(ops.DownloadAttachment)


class AsyncSpend(AsyncResource):
    """What was spent."""

    list = AsyncVerb(ops.ListSpend)


class AsyncAudit(AsyncResource):
    """Who did what."""

    list = AsyncVerb(ops.ListAuditEntries)


class AsyncClient:
    """Everything buildd can do, over one transport: a server's API, or a broker in this process."""

    def __init__(self, transport: AsyncTransport) -> None:
        self.transport = transport
        self.accounts = AsyncAccounts(self)
        self.agents = AsyncAgents(self)
        self.workspaces = AsyncWorkspaces(self)
        self.sources = AsyncSources(self)
        self.tasks = AsyncTasks(self)
        self.schedules = AsyncSchedules(self)
        self.workers = AsyncWorkers(self)
        self.pools = AsyncPools(self)
        self.launches = AsyncLaunches(self)
        self.hooks = AsyncHooks(self)
        self.artifacts = AsyncArtifacts(self)
        self.comments = AsyncComments(self)
        self.messages = AsyncMessages(self)
        self.spend = AsyncSpend(self)
        self.audit = AsyncAudit(self)

    async def send(self, operation: Operation[R]) -> R:
        """Have one operation done, and return its answer."""
        return await self.transport.send(operation)

    def events(
        self,
        after: int | None = None,
        *,
        workspace_id: str | None = None,
        task_id: str | None = None,
        worker_id: str | None = None,
        types: Collection[EventType] | None = None,
    ) -> AsyncGenerator[Event, None]:
        """What happens, in order and without gaps, for as long as you listen.

        `after` is the `seq` of the last event you know: 0 begins with the oldest that is kept, None
        with what happens once you wait for the first one. Lost connections are resumed. A `reset`
        event means that events you asked for are no longer kept. Closing the generator lets go of
        the connection at once.
        """
        wanted = Filter(
            workspace_id=workspace_id,
            task_id=task_id,
            worker_id=worker_id,
            types=None if types is None else frozenset(types),
        )
        return self.transport.events(after, wanted)

    def with_key(self, key: str) -> AsyncClient:
        """The same connection with another key: an account's, or the token of a lease."""
        return AsyncClient(self.transport.with_key(checked(key)))

    async def aclose(self) -> None:
        """Let go of the connection, or of the embedded broker."""
        await self.transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


def _build(operation: Callable[P, T], *args: P.args, **fields: P.kwargs) -> T:
    try:
        return operation(*args, **fields)
    except ValidationError as problem:
        raise invalid(problem) from None


def resources() -> dict[str, type[Any]]:
    """The façade's rooms by name, for the tests and docs that are made from them."""
    return {
        "accounts": AsyncAccounts,
        "agents": AsyncAgents,
        "workspaces": AsyncWorkspaces,
        "sources": AsyncSources,
        "tasks": AsyncTasks,
        "schedules": AsyncSchedules,
        "workers": AsyncWorkers,
        "pools": AsyncPools,
        "launches": AsyncLaunches,
        "hooks": AsyncHooks,
        "artifacts": AsyncArtifacts,
        "comments": AsyncComments,
        "messages": AsyncMessages,
        "spend": AsyncSpend,
        "audit": AsyncAudit,
    }
