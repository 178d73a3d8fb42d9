"""`buildd tasks`: the work, put in, looked at, watched, called off."""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING, Any

import click

from buildd.cli._exits import printable
from buildd.cli._render import Column, age, block
from buildd.cli._task_options import RUNNERS, fields_of, not_before_option, task_options
from buildd.cli._types import Money
from buildd.cli._verb import (
    Noun,
    Session,
    clearable,
    cleared,
    confirmed,
    given,
    idempotency_option,
    needed,
    paged,
    pass_session,
    workspace_option,
)
from buildd.states import OnDependencyFailure, TaskStatus

if TYPE_CHECKING:
    from decimal import Decimal

    from buildd.client import Client
    from buildd.models import Task, Worker

_TASKS = (
    Column("ID", lambda t: t.id),
    Column("STATUS", lambda t: t.status.value, rank=1),
    Column("RUNNER", lambda t: t.runner_preference.value, rank=5),
    Column("PRIORITY", lambda t: t.priority, rank=4),
    Column("ATTEMPT", lambda t: f"{t.attempt}/{t.max_attempts}", rank=3),
    Column("AGE", lambda t: age(t.created_at), rank=2),
    Column("TITLE", lambda t: t.title, shrinks=True),
)
_MESSAGES = (
    Column("WORKER", lambda m: m.worker_id, rank=3),
    Column("AGE", lambda m: age(m.created_at), rank=2),
    Column("ROLE", lambda m: m.role.value, rank=1),
    Column("CONTENT", lambda m: m.content or m.tool_name, shrinks=True),
)
_ARTIFACTS = (
    Column("ID", lambda a: a.id),
    Column("TYPE", lambda a: a.type.value, rank=1),
    Column("WORKER", lambda a: a.worker_id, rank=3),
    Column("AGE", lambda a: age(a.created_at), rank=2),
    Column("TITLE", lambda a: a.title, shrinks=True),
)


@click.group(cls=Noun)
def tasks() -> None:
    """The work."""


@tasks.command()
@click.argument("title")
@workspace_option
@task_options
@not_before_option
@click.option("--depends-on", multiple=True, metavar="TASK_ID", help="May be repeated.")
@click.option(
    "--on-dependency-failure",
    type=click.Choice([each.value for each in OnDependencyFailure]),
    help="If one of those fails or is cancelled: fail too, or run all the same (default: fail).",
)
@idempotency_option
@click.option("--watch", "watched", is_flag=True, help="Watch it, and exit with its outcome.")
@pass_session
def create(
    session: Session,
    title: str,
    workspace: str | None,
    depends_on: tuple[str, ...],
    *,
    watched: bool,
    **options: Any,
) -> int:
    """Put in a piece of work."""
    workspace_id = needed(workspace)
    fields = fields_of(**options) | given(depends_on=list(depends_on) or None)
    with session.connect() as bd:
        made = bd.tasks.create(workspace_id=workspace_id, title=title, **fields)
        if watched:
            from buildd.cli._watch import watch_task

            return watch_task(session, bd, made.id)
    session.show(made)
    return 0


@tasks.command("create-many")
@click.argument("file", type=click.File("rb"))
@workspace_option
@idempotency_option
@pass_session
def create_many(
    session: Session, file: IO[bytes], workspace: str | None, idempotency_key: str | None
) -> None:
    """Put in the tasks of a FILE (- reads stdin): all of them or, if one is refused, none.

    A JSON array of tasks, or one on each line, as POST /api/tasks takes them. Those without a
    workspaceId go to --workspace.
    """
    from buildd.cli import _batch

    batch = _batch.read(file, workspace)
    with session.connect() as bd, _batch.placed(batch):
        made = bd.tasks.create_many(
            tasks=batch.tasks,  # type: ignore[arg-type]  # pydantic makes tasks of them
            idempotency_key=idempotency_key,
        )
    session.table(made, _TASKS, "")


@tasks.command("list")
@workspace_option
@click.option("--status", type=click.Choice([each.value for each in TaskStatus]))
@click.option("--runner", type=RUNNERS)
@click.option("--claimed-by", metavar="ACC_ID")
@click.option("--text", help="Only those with this in the title, or with this id or external id.")
@click.option(
    "--needs-approval", is_flag=True, default=None, help="Only those that wait to be approved."
)
@paged
@pass_session
def list_(
    session: Session, limit: int, workspace: str | None, runner: str | None, **filters: Any
) -> None:
    """List tasks, newest first."""
    wanted = given(workspace_id=workspace, runner_preference=runner, **filters)
    with session.connect() as bd:
        found = bd.tasks.list(limit=limit, **wanted)
    where = workspace or "WS_ID"
    empty = f'No such tasks. Make one: buildd tasks create "Fix the login test" --workspace {where}'
    session.page(found, _TASKS, limit, empty)


@tasks.command()
@workspace_option
@click.option("--text", help="Only those with this in the title.")
@pass_session
def count(session: Session, workspace: str | None, text: str | None) -> None:
    """Count tasks by their states, and what waits for a person."""
    with session.connect() as bd:
        session.show(bd.tasks.count(**given(workspace_id=workspace, text=text)))


@tasks.command()
@click.argument("task_id")
@pass_session
def show(session: Session, task_id: str) -> None:
    """Show a task, and what became of it."""
    with session.connect() as bd:
        session.show(bd.tasks.get(id=task_id))


@tasks.command()
@click.argument("task_id")
@pass_session
def why(session: Session, task_id: str) -> None:
    """Show what keeps each account from a task that waits, or what to start if nothing does."""
    with session.connect() as bd:
        answer = bd.tasks.why(id=task_id)
        if session.json:
            session.show(answer)
            return
        from buildd.cli._why import explain

        explain(answer, bd.tasks.get(id=task_id))


@tasks.command()
@click.argument("task_id")
@click.option("--title", help="Its new title.")
@task_options
@not_before_option
@clearable("description", "not-before", "max-cost", "timeout-seconds")
@pass_session
def update(
    session: Session, task_id: str, title: str | None, clear: tuple[str, ...], **options: Any
) -> None:
    """Change a task that nobody holds yet."""
    fields = fields_of(title=title, **options) | cleared(clear)
    with session.connect() as bd:
        session.show(bd.tasks.update(id=task_id, **fields))


@tasks.command()
@click.argument("task_id")
@pass_session
def cancel(session: Session, task_id: str) -> None:
    """Call a task off, at once."""
    with session.connect() as bd:
        session.said(bd.tasks.cancel(id=task_id), f"cancelled {task_id}")


@tasks.command()
@click.argument("task_id")
@click.option(
    "--max-cost", type=Money(), help="US dollars that it may cost, its earlier attempts included."
)
@pass_session
def retry(session: Session, task_id: str, max_cost: Decimal | None) -> None:
    """Give a failed or cancelled task a fresh set of attempts."""
    with session.connect() as bd:
        session.said(bd.tasks.retry(id=task_id, max_cost=max_cost), f"{task_id} is pending again")


@tasks.command()
@click.argument("task_id")
@pass_session
def release(session: Session, task_id: str) -> None:
    """Take a task from its holder; anybody may claim it at once."""
    with session.connect() as bd:
        session.said(bd.tasks.release(id=task_id), f"released {task_id}")


@tasks.command()
@click.argument("task_id")
@click.option("--yes", is_flag=True, help="Approve it without reading it first.")
@pass_session
def approve(session: Session, task_id: str, *, yes: bool) -> None:
    """Vouch for a task that anybody may have written, so that agents may claim it.

    It shows the text and asks. Approved is what was shown: if the text changes meanwhile, or later,
    it must be approved again.
    """
    with session.connect() as bd:
        task = bd.tasks.get(id=task_id)
        if not yes:
            _have_read(task)
        approved = bd.tasks.approve(id=task_id, updated_at=task.updated_at)
        session.said(approved, f"approved {task_id}")


@tasks.command()
@click.argument("task_id")
@confirmed
@pass_session
def delete(session: Session, task_id: str) -> None:
    """Delete a task that nobody holds, with its history."""
    with session.connect() as bd:
        session.said(bd.tasks.delete(id=task_id), f"deleted {task_id}")


@tasks.command()
@click.argument("task_id", required=False)
@workspace_option
@pass_session
def watch(session: Session, task_id: str | None, workspace: str | None) -> int:
    """Watch a task until it ends, and exit with its outcome; or, without an id, all tasks."""
    from buildd.cli._watch import watch_all, watch_task

    with session.connect() as bd:
        if task_id:
            return watch_task(session, bd, task_id)
        return watch_all(session, bd, workspace)


@tasks.command()
@click.argument("task_id")
@click.option(
    "--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="Per attempt."
)
@pass_session
def messages(session: Session, task_id: str, limit: int) -> None:
    """Show what was said in a task's attempts (JSON: newest first)."""
    with session.connect() as bd:
        found = [
            message
            for worker in _attempts(bd, task_id)
            for message in bd.messages.list(worker_id=worker.id, limit=limit)
        ]
    ordered = found if session.json else found[::-1]
    session.table(ordered, _MESSAGES, "Nothing was said. Watch it: buildd tasks watch " + task_id)


@tasks.command()
@click.argument("task_id")
@click.option("--type", "kind", help="Only this type: diff, summary, pull_request, …")
@click.option("--content", is_flag=True, help="Print the contents instead of a list.")
@pass_session
def artifacts(session: Session, task_id: str, kind: str | None, *, content: bool) -> None:
    """List what a task's attempts made, or print it (`--type diff --content | git apply`)."""
    with session.connect() as bd:
        found = [
            artifact
            for worker in _attempts(bd, task_id)
            for artifact in bd.artifacts.list(worker_id=worker.id, limit=200)
            if kind in (None, artifact.type.value)
        ]
    if content and not session.json:
        for artifact in found:
            block(artifact.content or "")
    else:
        session.table(found, _ARTIFACTS, f"No artifacts. Watch it: buildd tasks watch {task_id}")


def _have_read(task: Task) -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("add --yes to approve it without being asked")
    click.echo(printable(f"{task.title}\n\n{task.description or ''}\n"), err=True)
    click.confirm("Let agents do what this says?", abort=True, err=True)


def _attempts(bd: Client, task_id: str) -> list[Worker]:
    """A task's attempts, newest first; a task that is not there is an error, not an empty list."""
    bd.tasks.get(id=task_id)
    return bd.workers.list(task_id=task_id, limit=200)
