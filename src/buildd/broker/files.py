"""Files: received and handed out outside of every transaction, known and counted within.

The bytes are there before the row that refers to them is committed. A crash in between leaves bytes
that nobody knows, for `buildd.broker.sweeping`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Generic, NoReturn, Self, TypeVar

from buildd import operations as ops
from buildd.blobs import Blobs, FileLimits, Incoming, Received
from buildd.broker import _policy, auditing, fence
from buildd.broker._context import HERE, Caller, Context, Origin
from buildd.broker.principals import Principal, check_key
from buildd.broker.records import keep_artifact
from buildd.clock import elapsed
from buildd.errors import (
    BuilddError,
    Forbidden,
    NotConfigured,
    NotFound,
    OutcomeUnknown,
    TooLarge,
    Unavailable,
)
from buildd.events import EventType
from buildd.ids import Kind, new_id
from buildd.models import Attachment
from buildd.store import Row, Store, Transaction
from buildd.store.sql import blobs as sql
from buildd.store.sql import workers as sql_workers

R = TypeVar("R")

_PATIENCE = 3600.0
"""Seconds from a file's last byte to its commit; far less than `buildd.broker.sweeping` waits."""
_MB = 2**20


@dataclass(frozen=True)
class Content:
    """A file as it goes out. `open` blocks, and so does reading what it gives."""

    filename: str
    mime_type: str
    size: int
    digest: str | None
    _open: Callable[[], BinaryIO | None]

    def open(self) -> BinaryIO:
        """The bytes. Raises `NotFound` if they are gone by now."""
        file = self._open()
        if file is None:
            raise NotFound("the bytes of this file are not where this server keeps files")
        return file


class Reception(Generic[R]):
    """One file on its way in. It blocks, and is no work for an event loop's thread.

    Leaving it as a context manager throws away what was not committed.
    """

    def __init__(
        self, incoming: Incoming, limits: FileLimits, keep: Callable[[Received], R]
    ) -> None:
        self._incoming = incoming
        self._limits = limits
        self._keep = keep

    def write(self, data: bytes) -> None:
        """Take the next bytes. Raises `TooLarge` for more than a file may have."""
        _check_size(self._incoming.size + len(data), self._limits)
        self._incoming.write(data)

    def commit(self) -> R:
        """Keep the file; what was asked for. Raises what an operation does."""
        return self._keep(self._incoming.finish())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._incoming.__exit__(exc_type, exc, traceback)


class Files:
    """All files of a broker."""

    def __init__(
        self,
        store: Store,
        context: Callable[[Transaction, Principal, Origin], Context],
        blobs: Blobs | None,
        limits: FileLimits,
    ) -> None:
        self._store = store
        self._context = context
        self._blobs = blobs
        self._limits = limits

    def receive(
        self, upload: ops.Upload[R], principal: Principal, size: int, origin: Origin
    ) -> Future[Reception[R]]:
        """Begin to take a file of, as far as it is known, that many bytes."""
        _policy.check(upload, principal)
        sender = Caller(principal, origin)

        def begin(tx: Transaction) -> Reception[R]:
            ctx = self._context(tx, *sender)
            worker = _target(ctx, upload)
            blobs = self._kept()
            _check_size(size, self._limits)
            self._check_room(ctx, worker, size)
            return Reception(
                blobs.receive(),
                self._limits,
                lambda received: self._keep(upload, sender, received),
            )

        return self._store.read(begin)

    def open(self, download: ops.Download, principal: Principal) -> Future[Content]:
        """Find a file."""
        _policy.check(download, principal)
        return self._store.read(lambda tx: self._find(self._context(tx, principal, HERE), download))

    def _kept(self) -> Blobs:
        if self._blobs is None:
            raise NotConfigured(
                "this server keeps no files: set BUILDD_BLOBS to a directory, "
                "which all servers of the database must share"
            )
        return self._blobs

    def _find(self, ctx: Context, download: ops.Download) -> Content:
        if ctx.by_lease:
            fence.check_reader(ctx)
        if isinstance(download, ops.DownloadArtifact):
            return self._of_artifact(_artifact(ctx, download.id))
        row = ctx.tx.first(sql.ATTACHMENT_FILE, id=download.id, viewer=ctx.viewer)
        # What was said in its task's earlier attempts, an attempt may hear.
        if row is None or (ctx.by_lease and row.task_id != ctx.principal.task_id):
            raise NotFound("there is no such attachment")
        return self._of_row(row)

    def _of_artifact(self, row: Row) -> Content:
        if row.digest is not None:
            return self._of_row(row)
        if row.content is None:
            raise NotFound("this artifact has no content")
        data = row.content.encode()
        return Content(f"{row.id}.txt", "text/plain", len(data), None, lambda: io.BytesIO(data))

    def _of_row(self, row: Row) -> Content:
        blobs = self._kept()
        return Content(
            row.filename, row.mime_type, row.size, row.digest, lambda: blobs.open(row.place)
        )

    def _keep(self, upload: ops.Upload[R], sender: Caller, received: Received) -> R:
        blobs, since = self._kept(), elapsed()

        def record(tx: Transaction) -> tuple[R, str]:
            if elapsed() - since > _PATIENCE:
                raise Unavailable("the file came in, but could not be recorded in time")
            check_key(tx, sender.principal)  # it may have been over before the file was in
            return self._record(self._context(tx, *sender), upload, received)

        try:
            answer, place = self._store.write(record, sender.principal.account_id or "").result()
        except OutcomeUnknown:
            raise  # It may be referred to; if not, it is swept up.
        except BuilddError:
            blobs.remove(received.place)
            raise
        if place != received.place:
            blobs.remove(received.place)  # The same bytes are kept already.
        return answer

    def _record(self, ctx: Context, upload: ops.Upload[R], received: Received) -> tuple[R, str]:
        lock = fence.under_lease if ctx.by_lease else fence.lock_worker
        worker = lock(ctx, _target(ctx, upload).id)
        self._check_room(ctx, worker, received.size)
        blob = {"digest": received.digest, "size": received.size}
        kept = ctx.tx.first(sql.KEEP_BLOB, **blob, place=received.place, created_at=ctx.tx.now)
        assert kept is not None
        file = {**blob, "filename": upload.filename, "mime_type": upload.mime_type}
        answer = _SHOWN[type(upload)](ctx, worker, upload, file)
        auditing.record(ctx, upload, answer)
        return answer, kept.place

    def _check_room(self, ctx: Context, worker: Row, size: int) -> None:
        """Raises `TooLarge` if the worker has too much already."""
        amounts = [
            ctx.tx.first(statement, worker=worker.id)
            for statement in (sql.AMOUNT_OF_ARTIFACTS, sql.AMOUNT_OF_ATTACHMENTS)
        ]
        if sum(each.files for each in amounts if each) >= self._limits.worker_files:
            most = self._limits.worker_files
            _refuse(f"a worker may have {most} files", "BUILDD_MAX_WORKER_FILES", most)
        if sum(each.size for each in amounts if each) + size > self._limits.worker_bytes:
            most = self._limits.worker_bytes // _MB
            _refuse(f"the files of a worker may have {most} MB", "BUILDD_MAX_WORKER_MB", most)


def _check_size(size: int, limits: FileLimits) -> None:
    if size > limits.file_bytes:
        most = limits.file_bytes // _MB
        _refuse(f"a file may have {most} MB", "BUILDD_MAX_FILE_MB", most)


def _refuse(what: str, limit: str, most: int) -> NoReturn:
    raise TooLarge(f"{what} here, and no more ({limit})", limit=limit, max=most)


def _target(ctx: Context, upload: ops.Upload[Any]) -> Row:
    """The worker that a file will belong to. Raises `NotFound`, `LeaseLost` or `Forbidden`."""
    if isinstance(upload, ops.UploadArtifact):
        _policy.own(ctx.principal.worker_id, upload.worker_id)
        return _held(ctx)
    assert isinstance(upload, ops.UploadAttachment)
    said = ctx.tx.first(sql.MESSAGE, id=upload.message_id, viewer=ctx.viewer)
    if said is None or (ctx.by_lease and said.worker_id != ctx.principal.worker_id):
        raise NotFound("there is no such message")
    if said.to_agent is ctx.by_lease:
        raise Forbidden("only who said something adds a file to it")
    if ctx.by_lease:
        return _held(ctx)
    return ctx.tx.first(sql_workers.WORKER_SEEN, id=said.worker_id, viewer=ctx.viewer)


def _held(ctx: Context) -> Row:
    fence.check_reader(ctx)
    return ctx.tx.first(sql_workers.WORKER_SEEN, id=ctx.principal.worker_id, viewer=None)


def _artifact(ctx: Context, artifact_id: str) -> Row:
    row = ctx.tx.first(sql.ARTIFACT_FILE, id=artifact_id, viewer=ctx.viewer)
    if row is None or (ctx.by_lease and row.worker_id != ctx.principal.worker_id):
        raise NotFound("there is no such artifact")
    return row


def _show(ctx: Context, worker: Row, upload: ops.UploadArtifact, file: Mapping[str, Any]) -> Any:
    artifact = ops.CreateArtifact(
        worker_id=worker.id, type=upload.type, title=upload.title, metadata=upload.metadata
    )
    return keep_artifact(ctx, worker, artifact, file)


def _attach(
    ctx: Context, worker: Row, upload: ops.UploadAttachment, file: Mapping[str, Any]
) -> Attachment:
    row = {
        "id": new_id(Kind.ATTACHMENT),
        "message_id": upload.message_id,
        **file,
        "created_at": ctx.tx.now,
    }
    ctx.tx.run(sql.INSERT_ATTACHMENT, **row)
    ctx.emit_worker(
        EventType.WORKER_ATTACHMENT,
        worker,
        attachmentId=row["id"],
        messageId=upload.message_id,
        filename=upload.filename,
        size=file["size"],
    )
    return Attachment.model_validate(row)


_SHOWN: Mapping[Any, Callable[..., Any]] = {
    ops.UploadArtifact: _show,
    ops.UploadAttachment: _attach,
}
