"""What an attempt leaves to look at: commits on its branch, the diff and a summary as artifacts."""

from __future__ import annotations

from dataclasses import replace

from pydantic import JsonValue

from buildd.agent.attempt import Attempt
from buildd.agent.git import GitFailed
from buildd.agent.lease import OVER
from buildd.agent.proposal import propose
from buildd.agent.text import one_line, storable
from buildd.agent.worktree import Changes, Worktree
from buildd.errors import ConfigError
from buildd.models import ArtifactType
from buildd.roles import Completed, Failed, Lost, Outcome

_SUMMARY_LIMIT = 100_000
_TITLE_LIMIT = 72


async def collect(attempt: Attempt, outcome: Outcome) -> Outcome:
    """Commit and push what there is, and show it; the outcome as it stands after that.

    A result that cannot be brought to its branch, or from there to the remote, is a failure.
    """
    tree = attempt.place.worktree if attempt.place else None
    changes: Changes | None = None
    try:
        if tree is not None:
            changes = await _commit(attempt, tree)
        if not isinstance(outcome, Lost):
            if tree is not None and changes is not None:
                await _push(attempt, tree, changes)
            outcome = await _show(attempt, outcome, tree, changes)
    except OVER as problem:
        return Lost(problem.message)
    except (GitFailed, ConfigError, OSError) as problem:
        return _spoilt(
            outcome, f"git: {problem}" if isinstance(problem, GitFailed) else str(problem)
        )
    return outcome


def _spoilt(outcome: Outcome, error: str) -> Outcome:
    match outcome:
        case Completed(summary=summary):
            return Failed(error, summary=summary)
        case Failed():
            return replace(outcome, error=f"{outcome.error}\n{error}")
        case _:
            return outcome


async def _commit(attempt: Attempt, tree: Worktree) -> Changes:
    title = one_line(attempt.task.title, _TITLE_LIMIT)
    await tree.checkpoint(
        f"buildd: {title}\n\nTask: {attempt.claimed.task_id}\nWorker: {attempt.claimed.id}\n"
    )
    return await tree.changes(attempt.scratch)


async def _push(attempt: Attempt, tree: Worktree, changes: Changes) -> None:
    if _is_pushed(tree, changes):
        # A push cannot be taken back: only with a lease that the server has just confirmed.
        await attempt.keeper.confirm()
        await tree.push()


def _is_pushed(tree: Worktree, changes: Changes) -> bool:
    return tree.repository.remote and bool(changes.commits)


async def _show(
    attempt: Attempt, outcome: Outcome, tree: Worktree | None, changes: Changes | None
) -> Outcome:
    if tree is not None and changes is not None and changes.diff:
        await _show_diff(attempt, tree, changes)
    summary = _summary(outcome, tree, changes)
    if summary:
        await attempt.attach(ArtifactType.SUMMARY, title="Summary", content=summary)
    if isinstance(outcome, Completed) and tree is not None and changes is not None:
        found: dict[str, JsonValue] = {
            "branch": tree.branch,
            "commits": [commit.sha for commit in changes.commits],
            "filesChanged": len(changes.files),
        }
        if _is_pushed(tree, changes) and (url := await propose(attempt, outcome)):
            found["pullRequest"] = url
        return replace(outcome, result={**found, **(outcome.result or {})})
    return outcome


async def _show_diff(attempt: Attempt, tree: Worktree, changes: Changes) -> None:
    note = "\n… the diff goes on; it is whole on the branch …\n" if changes.truncated else ""
    await attempt.attach(
        ArtifactType.DIFF,
        title=f"Changes on {tree.branch}"[:500],
        content=changes.diff + note,
        metadata={
            "branch": tree.branch,
            "start": tree.start,
            "files": list(changes.files[:1000]),
            "truncated": changes.truncated,
        },
    )


def _summary(outcome: Outcome, tree: Worktree | None, changes: Changes | None) -> str:
    parts = []
    if isinstance(outcome, (Completed, Failed)) and outcome.summary:
        parts.append(outcome.summary[-_SUMMARY_LIMIT:])
    if tree is not None and changes is not None and changes.commits:
        listed = [f"- {commit.sha[:10]} {commit.subject}" for commit in changes.commits]
        parts.append("\n".join([f"Commits on {tree.branch}:", *listed]))
    return storable("\n\n".join(parts), 2 * _SUMMARY_LIMIT)
