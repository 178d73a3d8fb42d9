"""`buildd launches`: what pools started, and how it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildd.cli._render import Column, age
from buildd.cli._verb import Noun, Session, given, paged, pass_session
from buildd.cli.pools import id_of

if TYPE_CHECKING:
    from buildd.models import Launch


def _seen(launch: Launch) -> str:
    return launch.stop_reason or launch.detail or ""


_LAUNCHES = (
    Column("ID", lambda each: each.id),
    Column("STATUS", lambda each: each.status.value, rank=1),
    Column("TASK", lambda each: each.task_id or "", rank=2),
    Column("AGE", lambda each: age(each.created_at), rank=3),
    Column("WORKER", lambda each: each.worker_id or "", rank=5),
    Column("SEEN", _seen, shrinks=True, rank=4),
)


@click.group(cls=Noun)
def launches() -> None:
    """What pools started."""


@launches.command("list")
@click.option("--pool", help="Only this pool's, by its id or name.")
@click.option("--task", "task_id", metavar="TASK_ID", help="Only those for this task.")
@click.option(
    "--open/--over", "open_", default=None, help="Only those that are not over, or that are."
)
@paged
@pass_session
def list_(
    session: Session, *, limit: int, pool: str | None, open_: bool | None, **wanted: str | None
) -> None:
    """List launches, newest first."""
    with session.connect() as bd:
        pool_id = id_of(bd, pool) if pool else None
        found = bd.launches.list(limit=limit, **given(pool_id=pool_id, open=open_, **wanted))
    session.page(found, _LAUNCHES, limit, "No such launches.")


@launches.command()
@click.argument("launch_id")
@pass_session
def show(session: Session, launch_id: str) -> None:
    """Show a launch."""
    with session.connect() as bd:
        session.show(bd.launches.get(id=launch_id))


@launches.command()
@click.argument("launch_id")
@pass_session
def stop(session: Session, launch_id: str) -> None:
    """Have a launch stopped; once more gives up one whose platform does not answer."""
    with session.connect() as bd:
        now = bd.launches.stop(id=launch_id)
    session.said(now, f"{launch_id} is {now.status.value}")
