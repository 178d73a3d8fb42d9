"""`buildd schedules`: tasks that come again."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from buildd.cli._render import Column
from buildd.cli._task_options import fields_of, task_options
from buildd.cli._verb import (
    Noun,
    Session,
    clearable,
    cleared,
    confirmed,
    given,
    needed,
    paged,
    pass_session,
    workspace_option,
)

if TYPE_CHECKING:
    from buildd.models import Schedule

_CRON = 'Five fields such as "0 6 * * 1-5", or @hourly, @daily, @weekly, @monthly, @yearly.'
_TIMEZONE = "Whose clock the times are of, such as Europe/Berlin (new schedules: UTC)."


def _next(schedule: Schedule) -> str:
    if schedule.last_error:
        return "failed"
    moment = schedule.next_run_at
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment and schedule.enabled else "off"


_SCHEDULES = (
    Column("ID", lambda s: s.id),
    Column("NEXT", _next, rank=1),
    Column("CRON", lambda s: s.cron, rank=2),
    Column("TIMEZONE", lambda s: s.timezone, rank=3),
    Column("NAME", lambda s: s.name, shrinks=True),
    Column("ERROR", lambda s: s.last_error or "", shrinks=True, rank=4),
)


@click.group(cls=Noun)
def schedules() -> None:
    """Tasks that come again."""


@schedules.command()
@click.argument("name")
@click.option("--cron", required=True, help=_CRON)
@click.option("--timezone", help=_TIMEZONE)
@click.option("--title", help="The title of its tasks [default: the schedule's name].")
@click.option("--disabled", is_flag=True, help="Make no tasks yet.")
@task_options
@workspace_option
@pass_session
def create(  # noqa: PLR0913 - an argument for each option
    session: Session,
    *,
    name: str,
    cron: str,
    timezone: str | None,
    title: str | None,
    disabled: bool,
    workspace: str | None,
    **options: Any,
) -> None:
    """Have a task made again and again. A missed time is made up for once."""
    workspace_id = needed(workspace)
    task = _template(fields_of(title=title or name, **options))
    with session.connect() as bd:
        made = bd.schedules.create(
            workspace_id=workspace_id,
            name=name,
            cron=cron,
            task=task,
            enabled=not disabled,
            **given(timezone=timezone),
        )
    session.show(made)


@schedules.command("list")
@workspace_option
@paged
@pass_session
def list_(session: Session, limit: int, workspace: str | None, cursor: str | None) -> None:
    """List schedules with the next time of each."""
    with session.connect() as bd:
        found = bd.schedules.list(limit=limit, **given(workspace_id=workspace, cursor=cursor))
    where = workspace or "WS_ID"
    empty = (
        "No schedules. Make one: "
        f'buildd schedules create "Update the dependencies" --cron @weekly --workspace {where}'
    )
    session.page(found, _SCHEDULES, limit, empty)


@schedules.command()
@click.argument("schedule_id")
@pass_session
def show(session: Session, schedule_id: str) -> None:
    """Show a schedule: its next time, and what its tasks are made of."""
    with session.connect() as bd:
        session.show(bd.schedules.get(id=schedule_id))


@schedules.command()
@click.argument("schedule_id")
@click.option("--name", help="Its new name.")
@click.option("--cron", help=_CRON)
@click.option("--timezone", help=_TIMEZONE)
@click.option("--enable/--disable", "enabled", default=None, help="Make tasks, or make none.")
@click.option("--title", help="The title of its tasks.")
@task_options
@clearable("description", "context", "required-capabilities", "max-cost", "timeout-seconds")
@pass_session
def update(  # noqa: PLR0913 - an argument for each option
    session: Session,
    *,
    schedule_id: str,
    name: str | None,
    cron: str | None,
    timezone: str | None,
    enabled: bool | None,
    title: str | None,
    clear: tuple[str, ...],
    **options: Any,
) -> None:
    """Change a schedule; of its tasks' fields, those that are given."""
    fields = given(name=name, cron=cron, timezone=timezone, enabled=enabled)
    changes = _template(fields_of(title=title, **options))
    gone = _template(cleared(clear))
    with session.connect() as bd:
        if changes or gone:
            task = {**bd.schedules.get(id=schedule_id).task, **changes}
            fields["task"] = {key: value for key, value in task.items() if key not in gone}
        session.show(bd.schedules.update(id=schedule_id, **fields))


@schedules.command()
@click.argument("schedule_id")
@confirmed
@pass_session
def delete(session: Session, schedule_id: str) -> None:
    """Delete a schedule; the tasks it made stay."""
    with session.connect() as bd:
        session.said(bd.schedules.delete(id=schedule_id), f"deleted {schedule_id}")


def _template(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields as the API's JSON has them, in which a schedule keeps its task."""
    from pydantic.alias_generators import to_camel

    return {
        to_camel(name): float(value) if isinstance(value, Decimal) else value
        for name, value in fields.items()
    }
