"""Pull requests that the server opens for attempts, so that agents need no credentials of a forge.

The forge is asked in a thread of its own and outside every transaction. The lease is looked at
before, so that a stale attempt causes nothing, and again with the write of what the forge said.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from buildd import operations as ops
from buildd.broker import auditing, fence
from buildd.broker._context import Context, Origin, handles
from buildd.broker._policy import own
from buildd.broker.principals import Principal
from buildd.broker.records import keep_artifact
from buildd.errors import LeaseLost, NotConfigured, Unavailable
from buildd.models import ArtifactType, PullRequest
from buildd.roles import Forge, PullRequestOrder
from buildd.store import Store, Transaction
from buildd.store.sql import records as sql
from buildd.store.sql import workers as sql_workers
from buildd.store.sql import workspaces as sql_workspaces

log = logging.getLogger(__name__)

_THREADS = 4
"""Calls to the forge at once; a slow forge makes others wait, and nothing else."""


class PullRequests:
    """Asks the forge for one attempt at a time, between two transactions."""

    def __init__(
        self,
        forge: Forge | None,
        store: Store,
        context: Callable[[Transaction, Principal, Origin], Context],
    ) -> None:
        self._forge = forge
        self._store = store
        self._context = context
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="buildd-forge")
        self._closed = False

    def submit(
        self, operation: ops.OpenPullRequest, principal: Principal, origin: Origin
    ) -> Future[PullRequest]:
        """Have it opened. The future ends after the commit."""
        try:
            return self._threads.submit(self._open, operation, principal, origin)
        except RuntimeError:
            raise Unavailable("this broker is closed") from None

    def close(self) -> None:
        """Let calls that are under way end, and begin no more."""
        self._closed = True
        self._threads.shutdown()

    def _open(
        self, operation: ops.OpenPullRequest, principal: Principal, origin: Origin
    ) -> PullRequest:
        order = self._store.read(
            lambda tx: order_of(self._context(tx, principal, origin), operation)
        ).result()
        if self._forge is None:
            raise NotConfigured("this server opens no pull requests: it has no GitHub credentials")
        if self._closed:
            raise Unavailable("this broker is closed")
        opened = self._forge.open_pull_request(order)
        try:
            self._store.write(
                lambda tx: _record(self._context(tx, principal, origin), operation, opened),
                principal.account_id or "",
            ).result()
        except LeaseLost:
            log.warning("%s was opened for an attempt that ended meanwhile", opened.url)
            raise
        return opened


@handles(ops.OpenPullRequest)
def order_of(ctx: Context, op: ops.OpenPullRequest) -> PullRequestOrder:
    """What the forge is asked for: the first half of the operation, which changes nothing."""
    own(ctx.principal.worker_id, op.id)
    fence.check_reader(ctx)
    worker = ctx.tx.first(sql_workers.WORKER_SEEN, id=op.id, viewer=None)
    assert worker is not None
    workspace = ctx.tx.first(sql_workspaces.WORKSPACE, id=worker.workspace_id, viewer=None)
    assert workspace is not None
    if workspace.repo is None:
        raise NotConfigured("the workspace has no repo that a pull request could be opened in")
    return PullRequestOrder(
        repo=workspace.repo,
        branch=worker.branch,
        title=op.title,
        body=op.body,
        base=op.base,
        draft=op.draft,
    )


def _record(ctx: Context, op: ops.OpenPullRequest, opened: PullRequest) -> None:
    """Show it once, however often it was asked for."""
    worker = fence.under_lease(ctx, op.id)
    auditing.record(ctx, op, opened)
    kind = ArtifactType.PULL_REQUEST
    if ctx.tx.first(sql.ARTIFACT_WITH_CONTENT, worker=op.id, type=kind.value, content=opened.url):
        return
    artifact = ops.CreateArtifact(
        worker_id=op.id,
        type=kind,
        title=f"#{opened.number} {op.title}",
        content=opened.url,
        metadata=opened.model_dump(mode="json", by_alias=True),
    )
    keep_artifact(ctx, worker, artifact)
