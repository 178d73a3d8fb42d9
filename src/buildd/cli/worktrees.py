"""`buildd worktrees`: what attempts left on this machine, and its safe removal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from buildd.cli._exits import ExitCode, code_of
from buildd.cli._render import Column, age, line, size
from buildd.cli._verb import Noun, Session, pass_session

if TYPE_CHECKING:
    from buildd.agent.leftovers import Leftover
    from buildd.errors import BuilddError

F = TypeVar("F")

_LEFTOVERS = (
    Column("WORKER", lambda left: left.worker_id or "", rank=1),
    Column("STATE", lambda left: left.state.value),
    Column("KIND", lambda left: left.kind.value, rank=2),
    Column("AGE", lambda left: age(left.since) if left.since else "", rank=4),
    Column("SIZE", lambda left: size(left.size_bytes) if left.path else "", rank=3),
    Column("WHY IT STAYS", lambda left: left.why, shrinks=True),
    Column("BRANCH", lambda left: left.branch or "", shrinks=True, rank=5),
    Column("WHERE", lambda left: left.path or left.repository or "", shrinks=True, rank=6),
)


@click.group(cls=Noun)
def worktrees() -> None:
    """What attempts left on this machine."""


_state_dir = click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where agents keep their worktrees [default: ~/.local/state/buildd].",
)


@worktrees.command("list")
@_state_dir
@pass_session
def list_(session: Session, state_dir: Path | None) -> None:
    """List what attempts left: worktrees, remembered sessions, and branches without commits.

    `clean` is what `prune` would remove; of everything else it says why it stays.
    """
    where = _where(state_dir)
    found, problem = _ask(session, where, "survey")
    session.table(found, _LEFTOVERS, f"Nothing is left under {where}.")
    _warn(problem, found)


@worktrees.command()
@_state_dir
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@pass_session
def prune(session: Session, state_dir: Path | None, *, dry_run: bool) -> int:
    """Remove what can be removed without losing anything, and say why the rest stays.

    What goes: worktrees without uncommitted files whose commits are pushed or merged, and what an
    executor remembers of its session, of attempts that have ended at the server; and their branches
    without commits. Files that git ignores go with their worktree.
    """
    where = _where(state_dir)
    found, problem = _ask(session, where, "survey" if dry_run else "prune")
    if session.json:
        session.table(found, _LEFTOVERS, "")
    else:
        _tell(found, where)
    _warn(problem, found)
    return ExitCode.OK if problem is None else code_of(problem)


def _where(state_dir: Path | None) -> Path:
    from buildd.agent import default_state_dir

    return (state_dir or default_state_dir()).resolve()


def _ask(session: Session, where: Path, verb: str) -> tuple[list[Leftover], BuilddError | None]:
    """What there is, and why the server could not answer, if it could not."""
    import anyio

    from buildd.agent import leftovers
    from buildd.agent.records import Records
    from buildd.client import as_async

    async def work() -> tuple[list[Leftover], Any]:
        async with as_async(client) as own:
            records = Records(own)
            return await getattr(leftovers, verb)(where, records), records.problem

    with session.connect() as client:
        return anyio.run(work)


def _tell(found: Sequence[Leftover], where: Path) -> None:
    from buildd.agent.inspection import LeftoverState

    for each in found:
        name = f"{each.kind.value} {each.branch if each.path is None else each.path}"
        match each.state:
            case LeftoverState.REMOVED:
                line(f"removed {name}")
            case LeftoverState.CLEAN:
                line(f"would remove {name}")
            case _:
                line(f"kept {name}: {each.why}")
    gone = [each for each in found if each.state in (LeftoverState.REMOVED, LeftoverState.CLEAN)]
    freed = size(sum(each.size_bytes for each in gone))
    verb = "to remove" if any(each.state is LeftoverState.CLEAN for each in gone) else "removed"
    told = f"{len(gone)} {verb} ({freed}), {len(found) - len(gone)} kept"
    click.echo(told if found else f"Nothing is left under {where}.", err=True)


def _warn(problem: BuilddError | None, found: Sequence[Leftover]) -> None:
    if problem is not None and found:
        click.echo(f"The server cannot tell which attempts have ended: {problem}", err=True)
