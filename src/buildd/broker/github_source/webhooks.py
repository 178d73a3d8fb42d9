"""A delivery of GitHub's: believed if it is signed, and heard once, with what it causes or not at all.

Everything about it but its body is unsigned. So a body is known again by its digest, whatever
delivery it comes in, and what happened long ago is no news.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from buildd import wire
from buildd.broker import auditing
from buildd.broker._context import HERE, Context, Origin
from buildd.broker.github_source import changes, comments, issues
from buildd.broker.github_source import payloads as said
from buildd.broker.github_source.inbox import Heard, Inbox, config_of, first_time
from buildd.broker.github_source.secrets import is_signed
from buildd.broker.principals import ADMIN, Principal, PrincipalKind
from buildd.errors import NotAuthenticated
from buildd.models.github import GitHubConfig
from buildd.store import Row, Store, Transaction
from buildd.store.sql import workspaces as sql_workspaces

RECEIPTS_KEPT = timedelta(days=30)
"""How long a delivery is known again; what happened before that is refused for its age."""
REFUSED = "the signature does not fit"
"""All that is said of a delivery that is not believed, whatever the reason."""
REPEATED = "this was heard before"
NOTHING = "nothing to do"
ACTION = "hearWebhook"
"""How it stands in the audit log."""
_SOURCE = Principal(PrincipalKind.SOURCE)
_ELSEWHERE = "it is about another repository"

Effect = Callable[[Inbox, Any], Heard]
_EFFECTS: Mapping[type[said.Payload], Effect] = {
    said.Ping: lambda inbox, payload: Heard("pong"),
    said.IssuesPayload: issues.follow,
    said.CommentPayload: comments.pass_on,
    said.PullPayload: changes.note_pull_request,
    said.CheckRunPayload: changes.hear_check_run,
    said.SuitePayload: changes.hear_suite,
    said.WorkflowRunPayload: changes.hear_workflow_run,
}


@dataclass(frozen=True)
class Delivery:
    """A request as it came in."""

    source_id: str
    event: str
    id: str
    signature: str
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Believed:
    """A delivery whose signature fits, and what it says."""

    source_id: str
    keys: tuple[str, str]
    payload: said.Payload | None


class Webhooks:
    """Takes deliveries."""

    def __init__(
        self,
        store: Store,
        context: Callable[[Transaction, Principal, Origin], Context],
        pepper: bytes,
    ) -> None:
        self._store = store
        self._context = context
        self._pepper = pepper

    def believe(self, delivery: Delivery) -> Future[Believed]:
        """Look at the signature, then at what is said; changes nothing.

        Raises `NotAuthenticated`, for a source that is not there too, or `Invalid`.
        """

        def look(tx: Transaction) -> Believed:
            source = tx.first(sql_workspaces.SOURCE, id=delivery.source_id)
            signed = (delivery.source_id, source, delivery.signature, delivery.body)
            if not is_signed(self._pepper, *signed):
                raise NotAuthenticated(REFUSED)
            payload = said.parse(delivery.event, delivery.body)
            digest = hashlib.sha256(delivery.body).hexdigest()
            return Believed(
                delivery.source_id, (f"body {digest}", f"delivery {delivery.id}"), payload
            )

        return self._store.read(look)

    def hear(self, believed: Believed, origin: Origin = HERE) -> Future[str]:
        """Do what a delivery is to cause, once; the answer says what that was."""

        def act(tx: Transaction) -> str:
            ctx = self._context(tx, ADMIN, origin)
            heard = _act(ctx, believed)
            if heard.changed is not None or heard.renamed:
                by_source = replace(ctx, principal=_SOURCE)
                subjects = [believed.source_id, *([heard.changed] if heard.changed else [])]
                auditing.note(by_source, ACTION, subjects)
            return str(heard)

        return self._store.write(act)


def _act(ctx: Context, believed: Believed) -> Heard:
    payload = believed.payload
    if payload is None or payload.repository is None:
        return Heard(NOTHING)
    source = ctx.tx.first(sql_workspaces.LOCK_SOURCE, id=believed.source_id)
    if source is None:
        raise NotAuthenticated(REFUSED)
    if payload.happened_at and payload.happened_at < ctx.tx.now - RECEIPTS_KEPT:
        return Heard("it is too old")
    if not all(first_time(ctx, source.id, key) for key in believed.keys):
        return Heard(REPEATED)
    config = _of_its_repository(ctx, source, payload.repository)
    if config is None:
        return Heard(_ELSEWHERE)
    try:
        heard = _EFFECTS[type(payload)](Inbox(ctx, source, config), payload)
        return heard._replace(renamed=config != config_of(source))
    except ValidationError as problem:
        # More than fits into a task; what GitHub lets people write does.
        raise wire.invalid(problem) from None


def _of_its_repository(
    ctx: Context, source: Row, repository: said.Repository
) -> GitHubConfig | None:
    """The source's configuration if this is its repository, with the name that it has now."""
    config = config_of(source)
    by_id = config.repository_id == repository.id
    by_name = config.repository.lower() == repository.full_name.lower()
    if not by_id and (config.repository_id is not None or not by_name):
        return None
    if by_id and config.repository == repository.full_name:
        return config
    now = {"repository": repository.full_name, "repositoryId": repository.id}
    changed = ctx.tx.first(
        sql_workspaces.CHANGE_SOURCE,
        of=source.id,
        name=source.name,
        config={**source.config, **now},
        updated_at=ctx.tx.now,
    )
    return config_of(changed)
