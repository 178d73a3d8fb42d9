"""`buildd agents`: the processes that ask for work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildd.cli._render import Column, age
from buildd.cli._verb import Noun, Session, given, paged, pass_session

if TYPE_CHECKING:
    from buildd.models import Agent


def _offers(agent: Agent) -> str:
    return " ".join(agent.capabilities)


_AGENTS = (
    Column("AGENT", lambda each: each.agent_id, shrinks=True),
    Column("ACCOUNT", lambda each: each.account_id, rank=2),
    Column("RUNNER", lambda each: each.runner, rank=3),
    Column("ASKED FOR", lambda each: each.free_slots, rank=5),
    Column("LAST SEEN", lambda each: age(each.last_seen_at), rank=1),
    Column("CAPABILITIES", _offers, shrinks=True, rank=4),
)


@click.group(cls=Noun)
def agents() -> None:
    """The processes that ask for work."""


@agents.command("list")
@click.option("--account", "account_id", metavar="ACC_ID", help="Only this account's.")
@paged
@pass_session
def list_(session: Session, *, limit: int, **wanted: str | None) -> None:
    """List the agents that asked for work within a week, newest first."""
    with session.connect() as bd:
        found = bd.agents.list(limit=limit, **given(**wanted))
    session.page(found, _AGENTS, limit, "No such agents. Run one: buildd-agent --workspace WS_ID")
