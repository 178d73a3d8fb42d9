"""`buildd workers`: the attempts, and what a person can tell them."""

from __future__ import annotations

from typing import Any

import click

from buildd.cli._render import Column, age, money
from buildd.cli._verb import (
    Noun,
    Session,
    given,
    paged,
    pass_session,
    text_or_stdin,
    workspace_option,
)
from buildd.states import WorkerStatus

WORKERS = (
    Column("ID", lambda w: w.id),
    Column("STATUS", lambda w: w.status.value, rank=1),
    Column("PROGRESS", lambda w: f"{w.progress}%", rank=3),
    Column("COST", lambda w: money(w.cost_usd), rank=4),
    Column("TASK", lambda w: w.task_id, rank=2),
    Column("AGE", lambda w: age(w.created_at), rank=5),
    Column("BRANCH", lambda w: w.branch, shrinks=True, rank=6),
)


@click.group(cls=Noun)
def workers() -> None:
    """The attempts at tasks."""


@workers.command("list")
@workspace_option
@click.option("--task", metavar="TASK_ID", help="Only the attempts at this task.")
@click.option("--account", metavar="ACC_ID", help="Only this account's.")
@click.option("--status", type=click.Choice([each.value for each in WorkerStatus]))
@click.option("--open/--over", default=None, help="Only those that are not over, or that are.")
@paged
@pass_session
def list_(
    session: Session,
    limit: int,
    workspace: str | None,
    task: str | None,
    account: str | None,
    **filters: Any,
) -> None:
    """List workers, newest first."""
    wanted = given(workspace_id=workspace, task_id=task, account_id=account, **filters)
    with session.connect() as bd:
        found = bd.workers.list(limit=limit, **wanted)
    where = workspace or "WS_ID"
    session.page(
        found, WORKERS, limit, f"No such workers. Run one: buildd-agent --workspace {where}"
    )


@workers.command()
@click.argument("worker_id")
@pass_session
def show(session: Session, worker_id: str) -> None:
    """Show a worker: its progress, its cost, and what it waits for."""
    with session.connect() as bd:
        session.show(bd.workers.get(id=worker_id))


@workers.command()
@click.argument("worker_id")
@pass_session
def start(session: Session, worker_id: str) -> None:
    """Take a paused worker up again."""
    with session.connect() as bd:
        now = bd.workers.start(id=worker_id)
    session.said(now, f"{worker_id} is {now.status.value}")


@workers.command()
@click.argument("worker_id")
@pass_session
def pause(session: Session, worker_id: str) -> None:
    """Put a worker aside; its agent does so at its next heartbeat."""
    with session.connect() as bd:
        now = bd.workers.pause(id=worker_id)
    paused = now.status is WorkerStatus.PAUSED
    later = "" if paused else "; its agent pauses at the next heartbeat"
    session.said(now, f"{worker_id} is {now.status.value}{later}")


@workers.command()
@click.argument("worker_id")
@pass_session
def cancel(session: Session, worker_id: str) -> None:
    """Stop an attempt. Its task goes back while it has attempts left."""
    with session.connect() as bd:
        session.said(bd.workers.cancel(id=worker_id), f"cancelled {worker_id}")


@workers.command()
@click.argument("worker_id")
@click.argument("text")
@pass_session
def answer(session: Session, worker_id: str, text: str) -> None:
    """Answer what a worker asked (- reads the answer from stdin)."""
    with session.connect() as bd:
        session.said(
            bd.workers.answer(id=worker_id, content=text_or_stdin(text)), f"answered {worker_id}"
        )


@workers.command()
@click.argument("worker_id")
@click.argument("text")
@pass_session
def message(session: Session, worker_id: str, text: str) -> None:
    """Tell a worker something (- reads it from stdin)."""
    with session.connect() as bd:
        made = bd.messages.create(worker_id=worker_id, content=text_or_stdin(text))
    session.said(made, f"told {worker_id}")


@workers.command()
@click.argument("artifact_id")
@click.argument("text")
@pass_session
def comment(session: Session, artifact_id: str, text: str) -> None:
    """Comment on an artifact (- reads from stdin); a running agent receives it.

    `buildd tasks artifacts TASK_ID` lists a task's artifacts.
    """
    with session.connect() as bd:
        made = bd.comments.create(artifact_id=artifact_id, content=text_or_stdin(text))
    session.said(made, f"commented on {artifact_id}")
