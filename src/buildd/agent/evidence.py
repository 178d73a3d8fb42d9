"""What an attempt leaves to look at: commits on its branch, the diff and a summary as artifacts.

Here it is only gathered, on this machine; `buildd.agent.report` brings it to where people see it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import JsonValue

from buildd.agent.attempt import Attempt
from buildd.agent.git import GitFailed
from buildd.agent.outbox import Push
from buildd.agent.proposal import proposal
from buildd.agent.worktree import Changes, Worktree
from buildd.errors import ConfigError
from buildd.models import ArtifactType
from buildd.operations import CreateArtifact, OpenPullRequest
from buildd.roles import Completed, Failed, Outcome
from buildd.text import one_line, storable

_SUMMARY_LIMIT = 100_000
_TITLE_LIMIT = 72


@dataclass(frozen=True)
class Evidence:
    """What must be at its place before the outcome is told."""

    push: Push | None = None
    artifacts: tuple[CreateArtifact, ...] = ()
    pull_request: OpenPullRequest | None = None


async def collect(attempt: Attempt, outcome: Outcome) -> tuple[Outcome, Evidence]:
    """Commit what there is and gather it; the outcome as it stands after that.

    A result that cannot be brought to its branch is a failure.
    """
    tree = attempt.place.worktree if attempt.place else None
    changes: Changes | None = None
    try:
        if tree is not None:
            changes = await _commit(attempt, tree)
    except (GitFailed, ConfigError, OSError) as problem:
        told = f"git: {problem}" if isinstance(problem, GitFailed) else str(problem)
        outcome = _spoilt(outcome, told)
    if tree is None or changes is None:
        return outcome, Evidence(artifacts=_artifacts(attempt, outcome, None, None))
    return _with_result(outcome, tree, changes), _evidence(attempt, outcome, tree, changes)


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
    return await tree.changes()


def _evidence(attempt: Attempt, outcome: Outcome, tree: Worktree, changes: Changes) -> Evidence:
    artifacts = _artifacts(attempt, outcome, tree, changes)
    if not tree.repository.remote or not changes.commits:
        return Evidence(artifacts=artifacts)
    push = Push(repository=tree.repository.path, branch=tree.branch)
    asked = proposal(attempt, outcome) if isinstance(outcome, Completed) else None
    return Evidence(push, artifacts, asked)


def _with_result(outcome: Outcome, tree: Worktree, changes: Changes) -> Outcome:
    if not isinstance(outcome, Completed):
        return outcome
    found: dict[str, JsonValue] = {
        "branch": tree.branch,
        "commits": [commit.sha for commit in changes.commits],
        "filesChanged": len(changes.files),
    }
    return replace(outcome, result={**found, **(outcome.result or {})})


def _artifacts(
    attempt: Attempt, outcome: Outcome, tree: Worktree | None, changes: Changes | None
) -> tuple[CreateArtifact, ...]:
    made = []
    if tree is not None and changes is not None and changes.diff:
        made.append(_diff(attempt, tree, changes))
    summary = _summary(outcome, tree, changes)
    if summary:
        made.append(
            CreateArtifact(
                worker_id=attempt.claimed.id,
                type=ArtifactType.SUMMARY,
                title="Summary",
                content=summary,
            )
        )
    return tuple(made)


def _diff(attempt: Attempt, tree: Worktree, changes: Changes) -> CreateArtifact:
    note = "\n… the diff goes on; it is whole on the branch …\n" if changes.truncated else ""
    return CreateArtifact(
        worker_id=attempt.claimed.id,
        type=ArtifactType.DIFF,
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
