"""What may be removed of what attempts left: each case on real git, and on a real broker."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildd.agent import repository as repositories
from buildd.agent import worktree
from buildd.agent.inspection import LeftoverState as State
from buildd.agent.leftovers import Leftover, LeftoverKind, prune, survey
from buildd.agent.records import Records
from buildd.agent.scratch import take
from buildd.agent.worktree import Worktree
from buildd.client import as_async, connect
from buildd.models import Worker
from tests.agent.office import Office, OfficeMaker, git, shell

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Desk:
    """Makes attempts, and what they leave behind."""

    office: Office

    @property
    def state(self) -> Path:
        return self.office.state

    def attempt(self) -> Worker:
        task = self.office.task()
        claim = self.office.account.workers.claim(task_id=task.id)
        return claim.workers[0].worker

    async def tree(self, worker: Worker) -> Worktree:
        workspace = self.office.owner.workspaces.get(id=self.office.workspace_id)
        found = await repositories.find(workspace, self.state)
        assert found is not None
        return await worktree.add(found, worker.branch, self.state / "worktrees" / worker.id)

    async def left(self) -> tuple[Worker, Worktree]:
        """An attempt that has ended, and its worktree."""
        worker = self.attempt()
        tree = await self.tree(worker)
        self.office.owner.workers.cancel(id=worker.id)
        return worker, tree

    @property
    def records(self) -> Records:
        return Records(as_async(self.office.owner))

    async def only(self) -> Leftover:
        """What the survey tells of the only place there; pruning agrees, and keeps it."""
        [seen] = [each for each in await survey(self.state, self.records) if each.path]
        [pruned] = [each for each in await prune(self.state, self.records) if each.path]
        assert pruned == seen
        assert Path(seen.path or "").exists()
        return seen


@pytest.fixture
def desk(office: Office) -> Desk:
    office.state.mkdir()
    return Desk(office)


def commit(tree: Worktree, name: str = "work.txt") -> None:
    (tree.path / name).write_text(f"{name}\n")
    git(tree.path, "add", ".")
    git(tree.path, "commit", "--quiet", f"--message={name}")


async def test_nothing_is_left_where_nothing_was(desk: Desk) -> None:
    assert await survey(desk.state, desk.records) == []
    assert await prune(desk.state / "not there", desk.records) == []


async def test_a_worktree_without_work_goes_with_its_branch(desk: Desk, repository: Path) -> None:
    worker, tree = await desk.left()
    [seen] = await survey(desk.state, desk.records)
    assert (seen.kind, seen.state, seen.why) == (LeftoverKind.WORKTREE, State.CLEAN, "")
    assert (seen.worker_id, seen.task_id, seen.branch) == (worker.id, worker.task_id, worker.branch)
    assert seen.repository == str(repository)
    assert seen.size_bytes > 0
    [pruned] = await prune(desk.state, desk.records)
    assert pruned.state is State.REMOVED
    assert not tree.path.exists()
    assert git(repository, "branch", "--list", "buildd/*") == ""
    assert list((desk.state / "scratch").iterdir()) == []
    assert await survey(desk.state, desk.records) == []


NEW = "echo new > new.txt"
CHANGED = "echo changed > README.md"
COMMIT = "echo work > work.txt; git add .; git commit -qm work"
SUBMODULE = """
git clone -q "$REPOSITORY" "$STATE/other"
git -c protocol.file.allow=always submodule --quiet add "$STATE/other" part
git commit -qm part
"""
COPIED = 'git worktree move "$PWD" "$STATE/real"; cp -r "$STATE/real" "$PWD"'


@pytest.mark.parametrize(
    ("spoil", "state", "why"),
    [
        (NEW, State.DIRTY, "1 file is not committed"),
        (CHANGED, State.DIRTY, "1 file is not committed"),
        (f"{CHANGED}; git add .", State.DIRTY, "1 file is not committed"),
        (
            f"git config status.showUntrackedFiles no; {NEW}",
            State.DIRTY,
            "1 file is not committed",
        ),
        (
            f"git update-index --assume-unchanged README.md; {CHANGED}",
            State.UNKNOWN,
            "told to overlook changes",
        ),
        (
            f"git update-index --skip-worktree README.md; {CHANGED}",
            State.UNKNOWN,
            "told to overlook changes",
        ),
        (COMMIT, State.UNPUSHED, "1 commit is neither pushed nor merged"),
        (f"git switch -q --detach; {COMMIT}", State.UNKNOWN, "HEAD is detached"),
        ("git switch -qc mine", State.UNKNOWN, "it is on mine, which is not the attempt's branch"),
        ('git worktree lock "$PWD"', State.UNKNOWN, "git worktree lock"),
        (SUBMODULE, State.UNKNOWN, "has submodules"),
        ('rm -rf "$REPOSITORY"', State.UNKNOWN, "its repository is gone"),
        ('mv "$REPOSITORY" "$REPOSITORY.moved"', State.UNKNOWN, "its repository is gone"),
        ("rm .git; git init -q", State.FOREIGN, "no agent made it"),
        ("rm .git", State.DIRTY, "in no repository"),
        (
            'mv "$PWD" "$STATE/moved"; ln -s "$STATE/moved" "$PWD"',
            State.FOREIGN,
            "no agent made it",
        ),
        # The worktree itself is elsewhere then; this has its pointer, and not its own.
        (COPIED, State.UNKNOWN, "its repository is gone, or does not know it"),
        (
            r"printf 'gitdir: \377\376' > .git",
            State.UNKNOWN,
            "its repository is gone, or does not know it",
        ),
    ],
)
async def test_what_is_not_certain_stays(desk: Desk, spoil: str, state: State, why: str) -> None:
    _, tree = await desk.left()
    shell(tree.path, spoil, REPOSITORY=str(tree.repository.path), STATE=str(desk.state))
    seen = await desk.only()
    assert seen.state is state
    assert why in seen.why


async def test_what_a_person_put_there_stays(desk: Desk) -> None:
    mine = desk.state / "worktrees" / "notes"
    mine.mkdir(parents=True)
    (mine / "todo.txt").write_text("all of it\n")
    assert (await desk.only()).state is State.FOREIGN


async def test_a_file_among_the_worktrees_stays(desk: Desk) -> None:
    (desk.state / "worktrees").mkdir()
    (desk.state / "worktrees" / "todo.txt").write_text("all of it\n")
    assert (await desk.only()).state is State.FOREIGN


@pytest.mark.parametrize("order", ["running", "paused"])
async def test_an_attempt_that_has_not_ended_keeps_its_worktree(desk: Desk, order: str) -> None:
    worker = desk.attempt()
    await desk.tree(worker)
    if order == "paused":
        desk.office.owner.workers.pause(id=worker.id)
    seen = await desk.only()
    assert seen.state is State.OPEN
    assert seen.why == f"its attempt is {desk.office.owner.workers.get(id=worker.id).status.value}"


async def test_a_worktree_that_an_agent_works_in_stays(desk: Desk) -> None:
    worker, _ = await desk.left()
    scratch = take(desk.state / "scratch" / worker.id)
    assert scratch is not None
    assert (await desk.only()).state is State.LIVE
    scratch.remove()
    [pruned] = await prune(desk.state, desk.records)
    assert pruned.state is State.REMOVED


async def test_the_sign_of_a_killed_agent_stays_for_the_next_one(desk: Desk) -> None:
    worker, tree = await desk.left()
    commit(tree)
    (desk.state / "scratch" / worker.id).mkdir(parents=True)
    assert (await desk.only()).state is State.UNPUSHED
    assert (desk.state / "scratch" / worker.id).exists()


async def test_what_its_agent_removes_meanwhile_stops_nobody(desk: Desk) -> None:
    (_, tree), (other, _) = await desk.left(), await desk.left()

    class Meanwhile(Records):
        async def attempt(self, worker_id: str | None, branch: str | None) -> Worker | None:
            shutil.rmtree(tree.path, ignore_errors=True)
            return await super().attempt(worker_id, branch)

    pruned = await prune(desk.state, Meanwhile(as_async(desk.office.owner)))
    states = {each.worker_id: each.state for each in pruned if each.kind is LeftoverKind.WORKTREE}
    assert states == {tree.path.name: State.UNKNOWN, other.id: State.REMOVED}


async def test_commits_that_were_pushed_may_go(open_office: OfficeMaker, repository: Path) -> None:
    desk = Desk(open_office(repo=str(repository)))
    worker, tree = await desk.left()
    commit(tree)
    assert (await desk.only()).state is State.UNPUSHED
    await worktree.push(tree.repository.path, tree.branch)
    [pruned] = await prune(desk.state, desk.records)
    assert pruned.state is State.REMOVED
    assert git(repository, "show", f"{worker.branch}:work.txt") == "work.txt"


async def test_commits_that_were_merged_may_go(desk: Desk, repository: Path) -> None:
    worker, tree = await desk.left()
    commit(tree)
    git(repository, "merge", "--quiet", "--no-edit", "--no-ff", worker.branch)
    [pruned] = await prune(desk.state, desk.records)
    assert pruned.state is State.REMOVED
    assert git(repository, "branch", "--list", "buildd/*") == ""


async def test_commits_that_were_merged_as_one_may_go_and_stay_on_their_branch(
    desk: Desk, repository: Path
) -> None:
    worker, tree = await desk.left()
    commit(tree, "a.txt")
    commit(tree, "b.txt")
    git(repository, "merge", "--quiet", "--squash", worker.branch)
    git(repository, "commit", "--quiet", "--message=both")
    (repository / "README.md").write_text("and life goes on\n")
    git(repository, "commit", "--quiet", "--all", "--message=later")
    [pruned] = await prune(desk.state, desk.records)
    assert pruned.state is State.REMOVED
    assert git(repository, "show", f"{worker.branch}:b.txt") == "b.txt"


async def test_commits_that_were_merged_and_taken_back_stay(desk: Desk, repository: Path) -> None:
    worker, tree = await desk.left()
    commit(tree)
    git(repository, "merge", "--quiet", "--squash", worker.branch)
    git(repository, "commit", "--quiet", "--message=in")
    git(repository, "revert", "--no-edit", "HEAD")
    assert (await desk.only()).state is State.UNPUSHED


async def test_commits_that_only_another_attempt_has_are_not_merged(desk: Desk) -> None:
    worker, tree = await desk.left()
    commit(tree)
    git(tree.path, "branch", worker.branch.replace("-1", "-2"))
    assert (await desk.only()).state is State.UNPUSHED


async def test_an_attempt_that_the_server_does_not_know_keeps_its_worktree(desk: Desk) -> None:
    _, tree = await desk.left()
    stranger = tree.path.with_name("wkr_" + "0" * 26)
    git(tree.repository.path, "worktree", "move", str(tree.path), str(stranger))
    seen = await desk.only()
    assert (seen.state, seen.why) == (State.UNKNOWN, "this server does not know its attempt")


async def test_without_the_server_everything_stays(desk: Desk) -> None:
    _, tree = await desk.left()
    await desk.left()
    records = Records(as_async(connect("http://127.0.0.1:9", api_key="buildd_nobody")))
    pruned = await prune(desk.state, records)
    assert {each.state for each in pruned} == {State.UNKNOWN}
    assert all(each.why.startswith("the server cannot tell") for each in pruned)
    assert records.problem is not None
    assert tree.path.exists()
    (tree.path / "new.txt").write_text("new\n")
    assert State.DIRTY in {each.state for each in await survey(desk.state, records)}


async def test_what_an_ended_attempt_remembers_goes(desk: Desk) -> None:
    ended, open_ = desk.attempt(), desk.attempt()
    for worker in (ended, open_):
        memory = desk.state / "sessions" / worker.id
        memory.mkdir(parents=True)
        (memory / "transcript.jsonl").write_text("{}\n")
    (desk.state / "sessions" / "mine").mkdir()
    desk.office.owner.workers.cancel(id=ended.id)
    pruned = await prune(desk.state, desk.records)
    assert {each.worker_id: each.state for each in pruned} == {
        ended.id: State.REMOVED,
    }
    assert {path.name for path in (desk.state / "sessions").iterdir()} == {open_.id, "mine"}


async def test_branches_of_ended_attempts_without_commits_go(
    open_office: OfficeMaker, repository: Path
) -> None:
    desk = Desk(open_office(repo=str(repository)))
    (empty, a), (full, b), (moved, c) = [await desk.left() for _ in range(3)]
    running = desk.attempt()
    d = await desk.tree(running)
    commit(b)
    await worktree.push(b.repository.path, b.branch)
    for tree in (a, b, c, d):
        git(a.repository.path, "worktree", "remove", str(tree.path))
    git(a.repository.path, "branch", "--move", moved.branch, moved.branch.replace("-1", "-7"))
    git(a.repository.path, "branch", "person", full.branch)
    git(a.repository.path, "branch", "--delete", "--force", "person")
    seen = await survey(desk.state, desk.records)
    assert {each.state for each in seen} == {State.CLEAN, State.UNKNOWN}
    pruned = await prune(desk.state, desk.records)
    assert [each.branch for each in pruned if each.state is State.REMOVED] == [empty.branch]
    left = git(a.repository.path, "branch", "--list", "--format=%(refname:short)", "buildd/*")
    assert set(left.split()) == {
        full.branch,
        running.branch,
        moved.branch.replace("-1", "-7"),
    }


async def test_a_branch_is_found_where_no_worktree_leads_to_it(
    desk: Desk, repository: Path
) -> None:
    worker, tree = await desk.left()
    git(repository, "worktree", "remove", str(tree.path))
    git(repository, "branch", "buildd/mine")
    [pruned] = await prune(desk.state, desk.records)
    assert (pruned.branch, pruned.state) == (worker.branch, State.REMOVED)
    assert git(repository, "branch", "--list", "buildd/*") == "buildd/mine"


async def test_an_empty_directory_of_an_attempt_without_a_repository_goes(desk: Desk) -> None:
    empty, full = desk.attempt(), desk.attempt()
    for worker in (empty, full):
        (desk.state / "worktrees" / worker.id).mkdir(parents=True)
        desk.office.owner.workers.cancel(id=worker.id)
    (desk.state / "worktrees" / full.id / "answer.txt").write_text("42\n")
    pruned = await prune(desk.state, desk.records)
    assert {each.worker_id: each.state for each in pruned} == {
        empty.id: State.REMOVED,
        full.id: State.DIRTY,
    }
