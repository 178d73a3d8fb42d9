"""`buildd audit`: who did what, and whether that is still what was written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from buildd.cli._exits import ExitCode
from buildd.cli._render import Column, age
from buildd.cli._verb import Noun, Session, given, paged, pass_session

if TYPE_CHECKING:
    from buildd.client import Client
    from buildd.models import AuditEntry

_AT_ONCE = 200


def _who(entry: AuditEntry) -> str:
    return entry.worker_id or entry.key_id or entry.account_id or entry.actor


_ENTRIES = (
    Column("SEQ", lambda each: str(each.seq)),
    Column("AGE", lambda each: age(each.at), rank=2),
    Column("WHO", _who, rank=1),
    Column("ACTION", lambda each: each.action),
    Column("SUBJECTS", lambda each: " ".join(each.subjects), shrinks=True, rank=3),
    Column("ADDRESS", lambda each: each.address or "", rank=4),
    Column("OUTCOME", lambda each: each.outcome, rank=5),
)


@click.group(cls=Noun)
def audit() -> None:
    """Who did what."""


@audit.command("list")
@click.option("--about", metavar="ID", help="Only what this id did, or what was done to it.")
@click.option("--action", help="Only this operation, such as createKey.")
@paged
@pass_session
def list_(session: Session, *, limit: int, **wanted: str | None) -> None:
    """List the calls that were accepted, newest first."""
    with session.connect() as bd:
        found = bd.audit.list(limit=limit, **given(**wanted))
    session.page(found, _ENTRIES, limit, "No such entries.")


@audit.command()
@click.option("--head", metavar="SEQ:HASH", help="What an earlier check printed: it must be there.")
@pass_session
def verify(session: Session, head: str | None) -> int:
    """Check the whole log: that nothing in it was changed, removed, added or put elsewhere.

    Prints the number and the hash of the last entry. Keep them elsewhere: with --head the next check
    also notices an end that was cut off, and a log that was written anew. The exit code is 1 for a
    log that is broken.
    """
    from buildd import chain
    from buildd.cli import _render

    kept = chain.GENESIS if head is None else chain.head_of(head)
    with session.connect() as bd:
        verdict = chain.verify(_all(bd), kept)
    broken = verdict.broken
    if session.json:
        told = None if broken is None else broken._asdict()
        said = {"entries": verdict.links, "head": str(verdict.head), "broken": told}
        click.echo(json.dumps(said, indent=2))
    elif broken is not None:
        _render.line(f"BROKEN: entry {broken.seq} {broken.how}")
    else:
        _render.line(f"{verdict.links} entries, as they were written; the last is {verdict.head}")
    return ExitCode.OK if broken is None else ExitCode.FAILURE


def _all(bd: Client) -> Iterator[AuditEntry]:
    """Every entry, newest first, a page at a time."""
    page = bd.audit.list(limit=_AT_ONCE)
    while page:
        yield from page
        page = bd.audit.list(limit=_AT_ONCE, cursor=page[-1].id)
