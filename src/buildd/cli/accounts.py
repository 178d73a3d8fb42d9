"""`buildd accounts`: who claims, with which keys and limits, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from buildd.cli._render import Column, money
from buildd.cli._types import Money
from buildd.cli._verb import (
    F,
    Noun,
    Session,
    clearable,
    cleared,
    confirmed,
    given,
    paged,
    pass_session,
)
from buildd.cli.keys import keys
from buildd.routing import AccountType

if TYPE_CHECKING:
    from buildd.models import Account


def _workers(account: Account) -> str:
    slots = f"{account.live_workers}/{account.max_concurrent_workers}"
    return f"{slots} draining" if account.draining else slots


def _today(account: Account) -> str:
    return f"{money(account.spent_today)} of {money(account.max_cost_per_day)}"


_ACCOUNTS = (
    Column("ID", lambda a: a.id),
    Column("TYPE", lambda a: a.type.value, rank=1),
    Column("WORKERS", _workers, rank=2),
    Column("TODAY", _today, rank=3),
    Column("TASKS", lambda a: a.total_tasks, rank=4),
    Column("NAME", lambda a: a.name, shrinks=True),
)
_GRANTS = (
    Column("WORKSPACE", lambda g: g.workspace_id),
    Column("CAN CLAIM", lambda g: "yes" if g.can_claim else "no", rank=1),
    Column("CAN CREATE", lambda g: "yes" if g.can_create else "no", rank=2),
)
_LIMITS: tuple[tuple[str, click.ParamType[Any], str], ...] = (
    ("--github-id", click.STRING, "owner/repository whose Actions it stands for."),
    ("--max-concurrent-workers", click.IntRange(min=1), "Tasks at once (new accounts: 3)."),
    ("--max-cost-per-day", Money(), "US dollars per UTC day (new accounts: 50)."),
    ("--max-cost-per-task", Money(), "US dollars for a task that has no limit of its own."),
    ("--max-tasks-per-run", click.IntRange(min=1), "Tasks in one GitHub Actions run."),
    ("--max-cost-per-run", Money(), "US dollars in one GitHub Actions run."),
)


def _limits(function: F) -> F:
    for flag, kind, meaning in reversed(_LIMITS):
        function = click.option(flag, type=kind, help=meaning)(function)
    return function


@click.group(cls=Noun)
def accounts() -> None:
    """Who claims: accounts, their keys, and where they may work."""


accounts.add_command(keys)


@accounts.command()
@click.argument("name")
@click.option(
    "--type",
    "kind",
    type=click.Choice([each.value for each in AccountType]),
    default=AccountType.USER.value,
    show_default=True,
    help="A person's machines, an always-on machine, or GitHub Actions.",
)
@_limits
@pass_session
def create(session: Session, name: str, kind: str, **limits: Any) -> None:
    """Make an account. Its API key is shown this once."""
    with session.connect() as bd:
        made = bd.accounts.create(type=AccountType(kind), name=name, **given(**limits))
    session.show(made)
    if not session.json:
        click.echo(
            "The API key is shown only now. Let the account work somewhere:\n"
            f"  buildd accounts grant {made.id} WS_ID",
            err=True,
        )


@accounts.command("list")
@paged
@pass_session
def list_(session: Session, limit: int, cursor: str | None) -> None:
    """List the accounts."""
    with session.connect() as bd:
        found = bd.accounts.list(limit=limit, **given(cursor=cursor))
    session.page(
        found, _ACCOUNTS, limit, 'No accounts. Make one: buildd accounts create "My laptop"'
    )


@accounts.command()
@click.argument("account_id")
@pass_session
def show(session: Session, account_id: str) -> None:
    """Show an account: its limits, and what it has spent. `me` is the key's own."""
    with session.connect() as bd:
        session.show(bd.accounts.me() if account_id == "me" else bd.accounts.get(id=account_id))


@accounts.command()
@click.argument("account_id")
@click.option("--name", help="Its new name.")
@_limits
@clearable("github-id", "max-cost-per-task", "max-tasks-per-run", "max-cost-per-run")
@pass_session
def update(session: Session, account_id: str, clear: tuple[str, ...], **fields: Any) -> None:
    """Change an account's name or limits."""
    with session.connect() as bd:
        session.show(bd.accounts.update(id=account_id, **given(**fields), **cleared(clear)))


@accounts.command()
@click.argument("account_id")
@click.option("--undo", is_flag=True, help="Let it take work again.")
@pass_session
def drain(session: Session, account_id: str, *, undo: bool) -> None:
    """Have an account take no new work, and its agents hand back what they hold."""
    with session.connect() as bd:
        now = bd.accounts.drain(id=account_id, draining=not undo)
    draining = "takes no more work; its agents hand back what they hold"
    session.said(now, f"{account_id} {draining if now.draining else 'takes work again'}")


@accounts.command()
@click.argument("account_id")
@confirmed
@pass_session
def delete(session: Session, account_id: str) -> None:
    """Delete an account that holds no work."""
    with session.connect() as bd:
        session.said(bd.accounts.delete(id=account_id), f"deleted {account_id}")


@accounts.command()
@click.argument("account_id")
@click.option(
    "--expires-in",
    type=click.IntRange(1, 900),
    help="Seconds in which the machine has to come [default: 900].",
)
@pass_session
def enrol(session: Session, account_id: str, expires_in: int | None) -> None:
    """Make a token that turns one machine into an agent of an account, shown this once."""
    life = given(expires_in_seconds=expires_in)
    with session.connect() as bd:
        session.show(bd.accounts.create_enrolment(account_id=account_id, **life))


@accounts.command()
@click.argument("account_id")
@click.argument("workspace_id")
@click.option("--can-claim/--no-claim", default=True, show_default=True, help="Take tasks there.")
@click.option("--can-create/--no-create", default=False, show_default=True, help="Put tasks in.")
@pass_session
def grant(
    session: Session, account_id: str, workspace_id: str, *, can_claim: bool, can_create: bool
) -> None:
    """Let an account work in a workspace; again: change what it may do there."""
    with session.connect() as bd:
        made = bd.accounts.grant(
            account_id=account_id,
            workspace_id=workspace_id,
            can_claim=can_claim,
            can_create=can_create,
        )
    may = [verb for verb, yes in (("claim", can_claim), ("create", can_create)) if yes]
    session.said(made, f"{account_id} may {' and '.join(may) or 'only read'} in {workspace_id}")


@accounts.command()
@click.argument("account_id")
@pass_session
def grants(session: Session, account_id: str) -> None:
    """List the workspaces an account may work in."""
    with session.connect() as bd:
        found = bd.accounts.grants(account_id=account_id)
    session.table(found, _GRANTS, f"No grants. Add one: buildd accounts grant {account_id} WS_ID")


@accounts.command()
@click.argument("account_id")
@click.argument("workspace_id")
@pass_session
def revoke(session: Session, account_id: str, workspace_id: str) -> None:
    """Take a grant away. What the account holds there, it may finish."""
    with session.connect() as bd:
        gone = bd.accounts.revoke_grant(account_id=account_id, workspace_id=workspace_id)
    session.said(gone, f"{account_id} may no longer work in {workspace_id}")
