"""`buildd pools`: where agents are started when there is work for them, with which limits."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from buildd.cli._render import Column
from buildd.cli._types import JsonObject
from buildd.cli._verb import (
    F,
    Noun,
    Session,
    clearable,
    confirmed,
    given,
    paged,
    pass_session,
)
from buildd.errors import ConfigError, NotFound
from buildd.ids import Kind

if TYPE_CHECKING:
    from buildd.client import Client
    from buildd.models import Pool

_PAGE = 200
_ID = re.compile(rf"{Kind.POOL.value}_[0-9a-z]{{26}}")


def _state(pool: Pool) -> str:
    if not pool.enabled:
        return "disabled"
    if pool.halted:
        return "halted"
    if pool.retry_at and pool.retry_at > datetime.now(UTC):
        return f"waits until {pool.retry_at:%H:%M:%S} UTC"
    return "enabled"


_POOLS = (
    Column("ID", lambda p: p.id),
    Column("NAME", lambda p: p.name),
    Column("STATE", _state, rank=1),
    Column("LAUNCHES", lambda p: f"{p.open_launches}/{p.maximum}", rank=2),
    Column("RUNNER", lambda p: p.runner, rank=3),
    Column("ERROR", lambda p: p.last_error or "", shrinks=True, rank=4),
)
_LEFTOVERS = (
    Column("LAUNCH", lambda each: each.launch_id),
    Column("STOPPED", lambda each: "yes" if each.stopped else "no", rank=1),
    Column("KNOWN HERE", lambda each: "yes" if each.known else "no", rank=2),
    Column("NAME THERE", lambda each: each.external_id, shrinks=True),
    Column("WHY NOT", lambda each: each.detail or "", shrinks=True, rank=3),
)
_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--config",), {"type": JsonObject(), "help": "What its runner needs to know, as JSON."}),
    (("--workspace", "workspace_id"), {"metavar": "WS_ID", "help": "Work for this one only."}),
    (
        ("--capability", "capabilities"),
        {"multiple": True, "help": "What its agents can do; may be repeated."},
    ),
    (
        ("--argument", "arguments"),
        {
            "multiple": True,
            "help": "A further argument of buildd-agent; may be repeated. They replace those it had.",
        },
    ),
    (
        ("--pass-env",),
        {
            "multiple": True,
            "metavar": "NAME",
            "help": "A variable of the server's that its agents are given; may be repeated.",
        },
    ),
    (("--minimum",), {"type": click.IntRange(min=0), "help": "Idle agents kept ready (new: 0)."}),
    (("--maximum",), {"type": click.IntRange(min=1), "help": "Launches at once (new: 1)."}),
    (
        ("--start-timeout", "start_timeout_seconds"),
        {"type": click.IntRange(30, 900), "help": "Seconds to take work in (new: 600)."},
    ),
    (
        ("--address",),
        {"metavar": "URL", "help": "The server's URL as its agents reach it."},
    ),
)
_EMPTY: dict[str, tuple[str, Any]] = {
    "workspace": ("workspace_id", None),
    "capabilities": ("capabilities", []),
    "arguments": ("arguments", []),
    "pass-env": ("pass_env", []),
    "address": ("server", None),
}
"""What can be made empty again, as the field and its empty value."""


def _options(function: F) -> F:
    for names, about in reversed(_OPTIONS):
        function = click.option(*names, **about)(function)
    return function


def _given(address: str | None, **fields: Any) -> dict[str, Any]:
    """The options in the operation's own words; `--server` is where the command itself goes."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in given(server=address, **fields).items()
    }


def id_of(bd: Client, pool: str) -> str:
    """The id of a pool that is named by it, or by its name. Raises `NotFound`."""
    if _ID.fullmatch(pool):
        return pool
    page = bd.pools.list(limit=_PAGE)
    while page:
        for each in page:
            if each.name == pool:
                return each.id
        page = bd.pools.list(limit=_PAGE, cursor=page[-1].id)
    raise NotFound(f"there is no pool {pool!r}: `buildd pools list` lists them")


@click.group(cls=Noun)
def pools() -> None:
    """Where agents are started when there is work for them."""


@pools.command()
@click.argument("name")
@click.option("--account", "account_id", metavar="ACC_ID", required=True, help="Whose agents.")
@click.option("--runner", required=True, help="What starts them; see `buildd plugins list`.")
@_options
@click.option("--disabled", is_flag=True, help="Start nothing yet.")
@pass_session
def create(session: Session, *, disabled: bool, **fields: Any) -> None:
    """Have agents of an account started whenever there is work for them."""
    with session.connect() as bd:
        session.show(bd.pools.create(enabled=not disabled, **_given(**fields)))


@pools.command("list")
@click.option("--account", "account_id", metavar="ACC_ID", help="Only this account's.")
@paged
@pass_session
def list_(session: Session, limit: int, **wanted: str | None) -> None:
    """List the pools, and how they do."""
    with session.connect() as bd:
        found = bd.pools.list(limit=limit, **given(**wanted))
    empty = "No pools. Make one: buildd pools create laptop --account ACC_ID --runner local"
    session.page(found, _POOLS, limit, empty)


@pools.command()
@click.argument("pool")
@pass_session
def show(session: Session, pool: str) -> None:
    """Show a pool, by its id or name."""
    with session.connect() as bd:
        session.show(bd.pools.get(id=id_of(bd, pool)))


@pools.command()
@click.argument("pool")
@click.option("--name", help="Its new name.")
@_options
@click.option("--enable/--disable", "enabled", default=None, help="Start agents, or start none.")
@clearable(*_EMPTY)
@pass_session
def update(session: Session, pool: str, clear: tuple[str, ...], **fields: Any) -> None:
    """Change a pool. It tries again at once what it had given up or put off."""
    emptied = dict(_EMPTY[name] for name in clear)
    with session.connect() as bd:
        session.show(bd.pools.update(id=id_of(bd, pool), **_given(**fields), **emptied))


@pools.command()
@click.argument("pool")
@confirmed
@pass_session
def delete(session: Session, pool: str) -> None:
    """Delete a pool that has no open launch."""
    with session.connect() as bd:
        session.said(bd.pools.delete(id=id_of(bd, pool)), f"deleted {pool}")


@pools.command()
@click.argument("pool")
@pass_session
def check(session: Session, pool: str) -> None:
    """Ask a pool's platform whether anything could be started there."""
    with session.connect() as bd:
        checked = bd.pools.check(id=id_of(bd, pool))
    if checked.passed or session.json:
        session.said(checked, f"{pool} can start agents")
    if not checked.passed:
        raise ConfigError(f"{pool} can start nothing: {checked.detail}")


@pools.command()
@click.argument("pool")
@click.option("--dry-run", is_flag=True, help="Stop nothing, only tell.")
@pass_session
def reap(session: Session, pool: str, *, dry_run: bool) -> None:
    """Stop what runs on a pool's platform for no open launch."""
    with session.connect() as bd:
        found = bd.pools.reap(id=id_of(bd, pool), dry_run=dry_run)
    session.table(found, _LEFTOVERS, "Nothing is left over there.")
