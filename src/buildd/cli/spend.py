"""`buildd spend`: what was spent, summed up."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from buildd.cli._render import Column, money
from buildd.cli._verb import Session, Verb, given, pass_session, workspace_option

if TYPE_CHECKING:
    from buildd.operations.spending import Part

_KEYS = {
    "day": Column("DAY", lambda each: each.day),
    "account": Column("ACCOUNT", lambda each: each.account_id),
    "workspace": Column("WORKSPACE", lambda each: each.workspace_id),
    "task": Column("TASK", lambda each: each.task_id),
}
_SUMS = (
    Column("COST", lambda each: money(each.cost_usd)),
    Column("ATTEMPTS", lambda each: each.attempts),
)
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command(cls=Verb)
@click.option(
    "--by",
    type=click.Choice(list(_KEYS)),
    multiple=True,
    help="What to tell apart; may be repeated [default: day].",
)
@click.option(
    "--since", type=_DAY, metavar="DATE", help="The first day, in UTC [default: 30 days back]."
)
@click.option("--until", type=_DAY, metavar="DATE", help="The last day, in UTC [default: today].")
@workspace_option
@click.option("--account", "account_id", metavar="ACC_ID", help="Only what this account spent.")
@click.option("--task", "task_id", metavar="TASK_ID", help="Only what was spent for this task.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=200,
    show_default=True,
    help="At most this many sums.",
)
@pass_session
def spend(
    session: Session,
    *,
    by: tuple[Part, ...],
    since: datetime | None,
    until: datetime | None,
    workspace: str | None,
    **wanted: Any,
) -> None:
    """What was spent, by day, account, workspace or task."""
    days = {"since": since and since.date(), "until": until and until.date()}
    parts: tuple[Part, ...] = by or ("day",)
    with session.connect() as bd:
        found = bd.spend.list(by=list(parts), **given(workspace_id=workspace, **days, **wanted))
    columns = [_KEYS[name] for name in _KEYS if name in parts]
    session.table(found, [*columns, *_SUMS], "Nothing was spent in that time.")
