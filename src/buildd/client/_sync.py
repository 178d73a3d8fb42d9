"""Generated from _async.py by scripts/unasync.py: do not edit.

The façade: `bd.tasks.create(…)`, one line for each operation.

A resource method takes exactly the fields of its operation, by name, and returns the operation's
answer; whatever can go wrong is in `buildd.errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from pydantic import ValidationError

from buildd import operations as ops
from buildd.client._pieces import Source, named, pieces
from buildd.client._transport import Transport, checked
from buildd.events import Event, EventType, Filter
from buildd.operations import Download, Operation, Transfer, Upload
from buildd.wire import invalid

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=Operation[Any] | Transfer)


class Resource:
    """The operations on one kind of thing."""

    def __init__(self, client: Client) -> None:
        self.client = client


class Verb(Generic[P, R]):
    """An operation as a method: its signature is the operation's own."""

    def __init__(self, operation: Callable[P, Operation[R]]) -> None:
        self.operation = operation
        self.__doc__ = operation.__doc__

    def __get__(self, resource: Resource, owner: type) -> Callable[P, R]:
        def call(*args: P.args, **fields: P.kwargs) -> R:
            return resource.client.send(_build(self.operation, *args, **fields))

        call.__doc__ = self.__doc__
        return call


class Uploading(Generic[P, R]):
    """An upload as a method: first the content, then the fields of the upload.

    The content is a path, bytes, or pieces as they come; it is never in memory as a whole. A path
    gives its name to the file, and the name its type, unless you give them.
    """

    def __init__(self, upload: Callable[P, Upload[R]]) -> None:
        self.operation = upload
        self.__doc__ = upload.__doc__

    def __get__(self, resource: Resource, owner: type) -> Callable[Concatenate[Source, P], R]:
        def call(content: Source, /, *args: P.args, **fields: P.kwargs) -> R:
            fields.update({**named(content, fields.get("filename")), **fields})
            upload = _build(self.operation, *args, **fields)
            return resource.client.transport.upload(upload, pieces(content))

        call.__doc__ = self.__doc__
        return call


class Downloading(Generic[P]):
    """A download as a method: it gives the bytes piece by piece."""

    def __init__(self, download: Callable[P, Download]) -> None:
        self.operation = download
        self.__doc__ = download.__doc__

    def __get__(self, resource: Resource, owner: type) -> Callable[P, Generator[bytes, None, None]]:
        def call(*args: P.args, **fields: P.kwargs) -> Generator[bytes, None, None]:
            download = _build(self.operation, *args, **fields)
            return resource.client.transport.download(download)

        call.__doc__ = self.__doc__
        return call


class Accounts(Resource):
    """Who claims, with which keys, and where."""

    create = Verb(ops.CreateAccount)
    list = Verb(ops.ListAccounts)
    get = Verb(ops.GetAccount)
    me = Verb(ops.GetMe)
    update = Verb(ops.UpdateAccount)
    drain = Verb(ops.DrainAccount)
    delete = Verb(ops.DeleteAccount)
    create_key = Verb(ops.CreateKey)
    keys = Verb(ops.ListKeys)
    rotate_key = Verb(ops.RotateKey)
    revoke_key = Verb(ops.RevokeKey)
    create_enrolment = Verb(ops.CreateEnrolment)
    enrol = Verb(ops.Enrol)
    create_admin_key = Verb(ops.CreateAdminKey)
    admin_keys = Verb(ops.ListAdminKeys)
    rotate_admin_key = Verb(ops.RotateAdminKey)
    revoke_admin_key = Verb(ops.RevokeAdminKey)
    grant = Verb(ops.GrantWorkspace)
    grants = Verb(ops.ListGrants)
    revoke_grant = Verb(ops.RevokeGrant)


class Agents(Resource):
    """The processes that ask for work."""

    list = Verb(ops.ListAgents)


class Workspaces(Resource):
    """Repositories with their tasks."""

    create = Verb(ops.CreateWorkspace)
    list = Verb(ops.ListWorkspaces)
    get = Verb(ops.GetWorkspace)
    update = Verb(ops.UpdateWorkspace)
    delete = Verb(ops.DeleteWorkspace)


class Sources(Resource):
    """Where tasks come from."""

    create = Verb(ops.CreateSource)
    list = Verb(ops.ListSources)
    get = Verb(ops.GetSource)
    update = Verb(ops.UpdateSource)
    secret = Verb(ops.RevealSecret)
    delete = Verb(ops.DeleteSource)


class Tasks(Resource):
    """The work."""

    create = Verb(ops.CreateTask)
    create_many = Verb(ops.CreateTasks)
    list = Verb(ops.ListTasks)
    count = Verb(ops.CountTasks)
    get = Verb(ops.GetTask)
    update = Verb(ops.UpdateTask)
    delete = Verb(ops.DeleteTask)
    cancel = Verb(ops.CancelTask)
    retry = Verb(ops.RetryTask)
    release = Verb(ops.ReleaseTask)
    approve = Verb(ops.ApproveTask)
    why = Verb(ops.WhyTask)


class Schedules(Resource):
    """Tasks that come again."""

    create = Verb(ops.CreateSchedule)
    list = Verb(ops.ListSchedules)
    get = Verb(ops.GetSchedule)
    update = Verb(ops.UpdateSchedule)
    delete = Verb(ops.DeleteSchedule)


class Workers(Resource):
    """The attempts."""

    claim = Verb(ops.ClaimTasks)
    create = Verb(ops.CreateWorker)
    list = Verb(ops.ListWorkers)
    get = Verb(ops.GetWorker)
    start = Verb(ops.StartWorker)
    heartbeat = Verb(ops.Heartbeat)
    ask = Verb(ops.AskWorker)
    answer = Verb(ops.AnswerWorker)
    pause = Verb(ops.PauseWorker)
    complete = Verb(ops.CompleteWorker)
    fail = Verb(ops.FailWorker)
    cancel = Verb(ops.CancelWorker)
    report = Verb(ops.ReportWorkers)
    open_pull_request = Verb(ops.OpenPullRequest)


class Pools(Resource):
    """Where agents are started when there is work."""

    create = Verb(ops.CreatePool)
    list = Verb(ops.ListPools)
    get = Verb(ops.GetPool)
    update = Verb(ops.UpdatePool)
    delete = Verb(ops.DeletePool)
    check = Verb(ops.CheckPool)
    reap = Verb(ops.ReapPool)


class Launches(Resource):
    """What pools started."""

    list = Verb(ops.ListLaunches)
    get = Verb(ops.GetLaunch)
    stop = Verb(ops.StopLaunch)


class Hooks(Resource):
    """URLs that are called when something happens."""

    create = Verb(ops.CreateHook)
    list = Verb(ops.ListHooks)
    get = Verb(ops.GetHook)
    update = Verb(ops.UpdateHook)
    delete = Verb(ops.DeleteHook)
    rotate = Verb(ops.RotateHook)
    test = Verb(ops.TestHook)
    deliveries = Verb(ops.ListDeliveries)
    redeliver = Verb(ops.Redeliver)


class Artifacts(Resource):
    """What attempts made."""

    create = Verb(ops.CreateArtifact)
    list = Verb(ops.ListArtifacts)
    get = Verb(ops.GetArtifact)

    upload = Uploading(ops.UploadArtifact)
    content = Downloading(ops.DownloadArtifact)


class Comments(Resource):
    """Remarks on artifacts."""

    create = Verb(ops.CreateComment)
    list = Verb(ops.ListComments)
    update = Verb(ops.UpdateComment)


class Messages(Resource):
    """What was said during attempts."""

    create = Verb(ops.CreateMessage)
    create_many = Verb(ops.CreateMessages)
    list = Verb(ops.ListMessages)

    attach = Uploading(ops.UploadAttachment)
    attached = Downloading(ops.DownloadAttachment)


class Spend(Resource):
    """What was spent."""

    list = Verb(ops.ListSpend)


class Audit(Resource):
    """Who did what."""

    list = Verb(ops.ListAuditEntries)


class Client:
    """Everything buildd can do, over one transport: a server's API, or a broker in this process."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.accounts = Accounts(self)
        self.agents = Agents(self)
        self.workspaces = Workspaces(self)
        self.sources = Sources(self)
        self.tasks = Tasks(self)
        self.schedules = Schedules(self)
        self.workers = Workers(self)
        self.pools = Pools(self)
        self.launches = Launches(self)
        self.hooks = Hooks(self)
        self.artifacts = Artifacts(self)
        self.comments = Comments(self)
        self.messages = Messages(self)
        self.spend = Spend(self)
        self.audit = Audit(self)

    def send(self, operation: Operation[R]) -> R:
        """Have one operation done, and return its answer."""
        return self.transport.send(operation)

    def events(
        self,
        after: int | None = None,
        *,
        workspace_id: str | None = None,
        task_id: str | None = None,
        worker_id: str | None = None,
        types: Collection[EventType] | None = None,
    ) -> Generator[Event, None, None]:
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

    def with_key(self, key: str) -> Client:
        """The same connection with another key: an account's, or the token of a lease."""
        return Client(self.transport.with_key(checked(key)))

    def close(self) -> None:
        """Let go of the connection, or of the embedded broker."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _build(operation: Callable[P, T], *args: P.args, **fields: P.kwargs) -> T:
    try:
        return operation(*args, **fields)
    except ValidationError as problem:
        raise invalid(problem) from None


def resources() -> dict[str, type[Any]]:
    """The façade's rooms by name, for the tests and docs that are made from them."""
    return {
        "accounts": Accounts,
        "agents": Agents,
        "workspaces": Workspaces,
        "sources": Sources,
        "tasks": Tasks,
        "schedules": Schedules,
        "workers": Workers,
        "pools": Pools,
        "launches": Launches,
        "hooks": Hooks,
        "artifacts": Artifacts,
        "comments": Comments,
        "messages": Messages,
        "spend": Spend,
        "audit": Audit,
    }
