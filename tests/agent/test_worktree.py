from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildd.agent import repository as repositories
from buildd.agent import worktree
from buildd.agent.git import GitFailed
from buildd.agent.repository import Repository
from buildd.models import Workspace
from tests.agent.office import git

pytestmark = pytest.mark.anyio

HOSTILE = 'a "title"; $(touch pwned) `id`\n# not a comment\n\nSigned-off-by: nobody'


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def workspace(**place: str) -> Workspace:
    now = "2026-01-31T08:00:00Z"
    return Workspace(id="ws_1", name="shop", created_at=now, updated_at=now, **place)  # type: ignore[arg-type]


def write_hook(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def git_dir(tree: Path) -> Path:
    return Path(git(tree, "rev-parse", "--absolute-git-dir"))


@pytest.fixture
def local(repository: Path) -> Repository:
    return Repository(repository, remote=False)


@pytest.mark.parametrize(
    "branch", ["--upload-pack=touch pwned", "a b", "a..b", "x.lock", "@{-1}", "a\nb", "", "-f"]
)
async def test_a_name_git_does_not_allow_is_refused(
    local: Repository, tmp_path: Path, branch: str
) -> None:
    with pytest.raises(GitFailed, match="not a name git allows"):
        await worktree.add(local, branch, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


async def test_a_hostile_message_is_only_text(local: Repository, tmp_path: Path) -> None:
    tree = await worktree.add(local, "buildd/one", tmp_path / "tree")
    (tree.path / "new.txt").write_text("new\n")
    await tree.checkpoint(HOSTILE)
    assert git(tree.path, "log", "-1", "--format=%B") == HOSTILE
    assert "pwned" not in git(tree.path, "status", "--porcelain", "--ignored")


async def test_hooks_of_the_repository_do_not_run(local: Repository, tmp_path: Path) -> None:
    for hook in ("pre-commit", "post-commit", "post-checkout", "commit-msg"):
        write_hook(local.path / ".git" / "hooks" / hook, f"touch {tmp_path}/ran\nexit 1")
    tree = await worktree.add(local, "buildd/one", tmp_path / "tree")
    (tree.path / "new.txt").write_text("new\n")
    await tree.checkpoint("work")
    assert not (tmp_path / "ran").exists()


async def test_work_on_another_branch_comes_back(local: Repository, tmp_path: Path) -> None:
    tree = await worktree.add(local, "buildd/one", tmp_path / "tree")
    git(tree.path, "switch", "--quiet", "--create", "elsewhere")
    (tree.path / "a.txt").write_text("a\n")
    git(tree.path, "add", ".")
    git(tree.path, "commit", "--quiet", "--message=a")
    git(tree.path, "switch", "--quiet", "--detach")
    (tree.path / "b.txt").write_text("b\n")
    await tree.checkpoint("the rest")
    changes = await tree.changes()
    assert [commit.subject for commit in changes.commits] == ["a", "the rest"]
    assert changes.files == ("a.txt", "b.txt")


async def test_unrelated_work_is_kept_and_not_called_done(
    local: Repository, tmp_path: Path
) -> None:
    tree = await worktree.add(local, "buildd/one", tmp_path / "tree")
    (tree.path / "a.txt").write_text("a\n")
    await tree.checkpoint("a")
    git(tree.path, "switch", "--quiet", "--detach", tree.start)
    (tree.path / "b.txt").write_text("b\n")
    with pytest.raises(GitFailed, match="does not follow"):
        await tree.checkpoint("b")
    assert not await worktree.remove(tree.path, tree.branch)
    assert (tree.path / "b.txt").exists()


async def test_a_lock_left_by_a_killed_git_is_no_obstacle(
    local: Repository, tmp_path: Path
) -> None:
    tree = await worktree.add(local, "buildd/one", tmp_path / "tree")
    (git_dir(tree.path) / "index.lock").touch()
    (tree.path / "a.txt").write_text("a\n")
    await tree.checkpoint("a")
    assert await worktree.remove(tree.path, tree.branch)
    assert git(local.path, "show", "buildd/one:a.txt") == "a"


async def test_a_dirty_worktree_is_not_removed(local: Repository, tmp_path: Path) -> None:
    tree = await worktree.add(local, "buildd/one", tmp_path / "tree")
    (tree.path / "a.txt").write_text("a\n")
    assert not await worktree.remove(tree.path, tree.branch)


async def test_a_restarted_attempt_goes_on_from_its_branch(
    local: Repository, tmp_path: Path
) -> None:
    first = await worktree.add(local, "buildd/one", tmp_path / "tree")
    (first.path / "a.txt").write_text("a\n")
    await first.checkpoint("a")
    again = await worktree.add(local, "buildd/one", tmp_path / "tree")
    assert again == first
    assert await worktree.remove(first.path, first.branch)
    elsewhere = await worktree.add(local, "buildd/one", tmp_path / "other")
    assert (elsewhere.path / "a.txt").exists()
    assert elsewhere.start == first.start


async def test_a_large_diff_is_cut_and_says_so(local: Repository, tmp_path: Path) -> None:
    tree = await worktree.add(local, "buildd/one", tmp_path / "tree")
    (tree.path / "big.txt").write_text("0123456789\n" * 100_000)
    await tree.checkpoint("big")
    changes = await tree.changes()
    assert changes.truncated
    assert len(changes.diff) == worktree.DIFF_LIMIT


async def test_a_person_who_is_known_to_git_commits(
    local: Repository, tmp_path: Path, empty_home: Path
) -> None:
    (empty_home / ".gitconfig").write_text("[user]\nname = Max\nemail = max@example.com\n")
    tree = await worktree.add(local, "buildd/one", tmp_path / "tree")
    (tree.path / "a.txt").write_text("a\n")
    await tree.checkpoint("a")
    assert git(tree.path, "log", "-1", "--format=%an") == "Max"


async def test_a_repo_is_cloned_once_and_fetched_each_time(
    repository: Path, tmp_path: Path
) -> None:
    place, state = workspace(repo=str(repository)), tmp_path / "state"
    first = await repositories.find(place, state)
    assert first is not None
    assert first.remote
    (repository / "later.txt").write_text("later\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message=later")
    again = await repositories.find(place, state)
    assert again == first
    tree = await worktree.add(first, "buildd/one", tmp_path / "tree")
    assert (tree.path / "later.txt").exists()
    (tree.path / "work.txt").write_text("work\n")
    await tree.checkpoint("work")
    await worktree.push(tree.repository.path, tree.branch)
    assert git(repository, "show", "buildd/one:work.txt") == "work"
    assert await worktree.remove(tree.path, tree.branch)


async def test_the_checkout_here_comes_before_the_repo(repository: Path, tmp_path: Path) -> None:
    place = workspace(repo="/nowhere.git", local_path=str(repository))
    assert await repositories.find(place, tmp_path) == Repository(repository, remote=False)


async def test_a_checkout_that_is_not_here_is_cloned_if_there_is_a_repo(
    repository: Path, tmp_path: Path
) -> None:
    place = workspace(repo=str(repository), local_path=str(tmp_path / "elsewhere"))
    found = await repositories.find(place, tmp_path / "state")
    assert found is not None
    assert found.remote


async def test_a_repo_that_is_none_is_told_in_gits_own_line(tmp_path: Path) -> None:
    with pytest.raises(GitFailed, match=r"does not (exist|appear to be a git repository)"):
        await repositories.find(workspace(repo=str(tmp_path / "nothing")), tmp_path / "state")


async def test_a_repository_without_a_commit_says_what_to_do(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "empty")
    with pytest.raises(GitFailed, match="no commit yet: make the first one"):
        await worktree.add(Repository(tmp_path / "empty", remote=False), "b", tmp_path / "tree")


async def test_a_state_directory_inside_the_repository_is_refused(local: Repository) -> None:
    with pytest.raises(GitFailed, match="must not lie inside"):
        await worktree.add(local, "buildd/one", local.path / "state" / "tree")


async def test_what_a_killed_agent_left_is_committed_on_the_attempt_s_branch(
    local: Repository, tmp_path: Path
) -> None:
    tree = await worktree.add(local, "buildd/one", tmp_path / "tree")
    git(tree.path, "switch", "--quiet", "--detach")
    (tree.path / "half.txt").write_text("half\n")
    assert await worktree.rescue(tree.path, "what was left") == tree.branch
    assert git(local.path, "show", "buildd/one:half.txt") == "half"
    assert await worktree.remove(tree.path, tree.branch)


async def test_a_sparse_checkout_is_removed_as_any_other(local: Repository, tmp_path: Path) -> None:
    for name in ("in", "out"):
        (local.path / name).mkdir()
        (local.path / name / "a.txt").write_text("a\n")
    git(local.path, "add", ".")
    git(local.path, "commit", "--quiet", "--message=two parts")
    tree = await worktree.add(local, "buildd/one", tmp_path / "tree")
    git(tree.path, "sparse-checkout", "set", "in")
    assert not (tree.path / "out").exists()
    (tree.path / "in" / "b.txt").write_text("b\n")
    await tree.checkpoint("b")
    assert (await tree.changes()).files == ("in/b.txt",)
    assert await worktree.remove(tree.path, tree.branch)


async def test_nothing_is_committed_where_a_task_has_put_another_repository(
    local: Repository, tmp_path: Path
) -> None:
    tree = await worktree.add(local, "buildd/one", tmp_path / "tree")
    (tree.path / ".git").unlink()
    git(tree.path, "init", "--quiet")
    with pytest.raises(GitFailed, match="no worktree any more"):
        await worktree.rescue(tree.path, "what was left")


async def test_a_branch_that_went_on_at_the_remote_is_taken_up_where_it_ends(
    repository: Path, tmp_path: Path
) -> None:
    place = workspace(repo=str(repository))
    here = await repositories.find(place, tmp_path / "here")
    assert here is not None
    tree = await worktree.add(here, "buildd/one", tmp_path / "tree")
    (tree.path / "a.txt").write_text("a\n")
    await tree.checkpoint("a")
    await worktree.push(tree.repository.path, tree.branch)
    git(repository, "switch", "--quiet", "buildd/one")
    git(repository, "commit", "--quiet", "--allow-empty", "--message=elsewhere")
    tip = git(repository, "rev-parse", "HEAD")
    await repositories.find(place, tmp_path / "here")
    await worktree.add(here, "buildd/one", tree.path)
    assert git(tree.path, "rev-parse", "HEAD") == tip


async def test_git_is_not_waited_for_for_ever(
    local: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = await worktree.add(local, "buildd/t-1", tmp_path / "tree")
    settings = tmp_path / "settings"
    os.mkfifo(settings)
    git(tree.path, "config", "include.path", str(settings))
    monkeypatch.setattr("buildd.agent.git._PATIENCE", 0.5)
    with pytest.raises(GitFailed, match="took longer than"):
        await tree.checkpoint("work")


async def test_a_name_with_an_equals_sign_is_overridden_too(
    local: Repository, tmp_path: Path
) -> None:
    tree = await worktree.add(local, "buildd/t-1", tmp_path / "tree")
    git(tree.path, "config", "filter.a=b.clean", f"touch {tmp_path}/pwned; cat")
    (tree.path / ".gitattributes").write_text("* filter=a=b\n")
    await tree.checkpoint("work")
    assert not (tmp_path / "pwned").exists()
    assert git(tree.path, "show", "buildd/t-1:.gitattributes") == "* filter=a=b"


@pytest.mark.parametrize("branch", [b"\xff", b"buildd/ \0", b"main", b"--all"])
async def test_a_name_that_an_attempt_left_is_not_believed(
    local: Repository, tmp_path: Path, branch: bytes
) -> None:
    tree = await worktree.add(local, "buildd/t-1", tmp_path / "tree")
    (git_dir(tree.path) / "buildd-branch").write_bytes(branch)
    with pytest.raises(GitFailed):
        await worktree.rescue(tree.path, "work")
    (tree.path / ".git").write_bytes(b"gitdir: \xff\0")
    with pytest.raises(GitFailed, match="no worktree"):
        await worktree.rescue(tree.path, "work")


async def test_a_checkout_that_is_itself_a_worktree(repository: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(repository, "worktree", "add", "--quiet", "-b", "side", str(linked))
    tree = await worktree.add(Repository(linked, remote=False), "buildd/t-1", tmp_path / "tree")
    (tree.path / "work.txt").write_text("work\n")
    await tree.checkpoint("work")
    assert (await tree.changes()).files == ("work.txt",)
    assert await worktree.remove(tree.path, tree.branch)
    assert git(linked, "status", "--porcelain") == ""
    assert sorted(path.name for path in linked.iterdir()) == [".git", "README.md"]
    assert git(repository, "ls-tree", "--name-only", "buildd/t-1").split() == [
        "README.md",
        "work.txt",
    ]
