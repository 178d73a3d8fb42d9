"""What `buildd accounts keys` and `buildd admin-key` share, and the first of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from buildd.cli._render import Column, age
from buildd.cli._types import Duration
from buildd.cli._verb import F, Noun, Session, given, paged, pass_session
from buildd.scopes import OF_ACCOUNTS, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from buildd.models import Key

DAY = 86_400


def state(key: Key) -> str:
    """Whether a key works, and until when."""
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is None:
        return "works"
    over = key.expires_at <= datetime.now(UTC)
    return "expired" if over else f"until {key.expires_at:%Y-%m-%d %H:%M} UTC"


COLUMNS = (
    Column("ID", lambda key: key.id),
    Column("STATE", state),
    Column("SCOPES", lambda key: ",".join(key.scopes), rank=1),
    Column("USED", lambda key: age(key.last_used_at) if key.last_used_at else "never", rank=2),
    Column("REPLACED BY", lambda key: key.replaced_by, rank=4),
    Column("NAME", lambda key: key.name, shrinks=True, rank=3),
)


def terms(possible: Iterable[Scope]) -> Callable[[F], F]:
    """`--name`, `--scope` and `--expires-in` of a new key."""

    def decorate(function: F) -> F:
        for option in (
            click.option("--expires-in", type=Duration(), help="How long it works [for ever]."),
            click.option(
                "--scope",
                "scopes",
                type=click.Choice([scope.value for scope in possible]),
                multiple=True,
                help="What it is good for; may be repeated [everything].",
            ),
            click.option("--name", help="What it is called, to tell it from others."),
        ):
            function = option(function)
        return function

    return decorate


def overlap(function: F) -> F:
    """`--overlap` of a rotation."""
    return click.option(
        "--overlap",
        type=Duration(least=0, most=30 * DAY),
        help="How long the old one works beside the new one [1d].",
    )(function)


@click.group(cls=Noun)
def keys() -> None:
    """An account's API keys."""


@keys.command("list")
@click.argument("account_id")
@paged
@pass_session
def list_(session: Session, account_id: str, limit: int, cursor: str | None) -> None:
    """List an account's keys: what each is good for, and when it was last used."""
    with session.connect() as bd:
        found = bd.accounts.keys(account_id=account_id, limit=limit, **given(cursor=cursor))
    empty = f"No keys. Make one: buildd accounts keys create {account_id}"
    session.page(found, COLUMNS, limit, empty)


@keys.command()
@click.argument("account_id")
@terms(OF_ACCOUNTS)
@pass_session
def create(
    session: Session,
    account_id: str,
    name: str | None,
    scopes: tuple[Scope, ...],
    expires_in: int | None,
) -> None:
    """Make a further key, shown this once; the older ones go on working."""
    asked = given(name=name, scopes=scopes, expires_in_seconds=expires_in)
    with session.connect() as bd:
        session.show(bd.accounts.create_key(account_id=account_id, **asked))


@keys.command()
@click.argument("account_id")
@click.argument("key_id")
@overlap
@pass_session
def rotate(session: Session, account_id: str, key_id: str, overlap: int | None) -> None:
    """Replace a key by a new one, shown this once; the old one works for the overlap."""
    asked = given(overlap_seconds=overlap)
    with session.connect() as bd:
        session.show(bd.accounts.rotate_key(account_id=account_id, id=key_id, **asked))


@keys.command()
@click.argument("account_id")
@click.argument("key_id")
@pass_session
def revoke(session: Session, account_id: str, key_id: str) -> None:
    """Make a key useless, everywhere within five seconds."""
    with session.connect() as bd:
        session.said(bd.accounts.revoke_key(account_id=account_id, id=key_id), f"revoked {key_id}")
