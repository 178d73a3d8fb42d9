"""What a delivery is worked on with, and how sources of this type are configured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError

from buildd import wire
from buildd.broker._context import Context
from buildd.errors import NotConfigured
from buildd.models.github import GITHUB, GitHubConfig
from buildd.store import Row
from buildd.store.sql import github as sql
from buildd.store.sql import tasks as sql_tasks


class Heard(NamedTuple):
    """What a delivery has caused, as GitHub's log of deliveries shows it."""

    done: str
    changed: str | None = None
    """The id of what is not as it was before."""
    renamed: bool = False
    """Whether the source was told its repository's id or new name."""

    def __str__(self) -> str:
        """One line."""
        return f"{self.done} {self.changed}" if self.changed else self.done


@dataclass(frozen=True)
class Inbox:
    """A source with its configuration, in an open transaction."""

    ctx: Context
    source: Row
    config: GitHubConfig


def first_time(ctx: Context, source_id: str, key: str) -> bool:
    """Note that something has its effect now; False if it had it before."""
    row = {"source_id": source_id, "key": key, "created_at": ctx.tx.now}
    return ctx.tx.touch(sql.RECEIVE, **row) == 1


def task_of(inbox: Inbox, issue_id: str, known: Row | None) -> Row | None:
    """An issue's last task. One that a sync has made is not known of the issue yet."""
    tx = inbox.ctx.tx
    if known is None or known.task_id is None:
        made = tx.first(sql.TASK_OF_ITEM, source=inbox.source.id, item=issue_id)
        task_id = made.id if made else None
    else:
        task_id = known.task_id
    return tx.first(sql_tasks.TASK_SEEN, id=task_id, viewer=None) if task_id else None


def check(kind: str, config: Any) -> None:
    """Raises `Invalid`, which names the field, for what a source of type `github` could not work with."""
    if kind != GITHUB:
        return
    try:
        GitHubConfig.model_validate(config)
    except ValidationError as problem:
        raise wire.invalid(problem).within("config") from None


def config_of(source: Row) -> GitHubConfig:
    """What a source is configured with. Raises `NotConfigured` for what an older buildd let pass."""
    try:
        return GitHubConfig.model_validate(source.config)
    except ValidationError as problem:
        raise NotConfigured(f"config: {wire.invalid(problem)}") from None
