"""What becomes of the branches that attempts push is noted with them; what fails is told, or mended."""

from __future__ import annotations

from typing import Any

import pytest

from buildd import operations as ops
from buildd.broker import Principal
from buildd.models import Artifact, Claimed, Task
from buildd.routing import Trust
from tests.broker.conftest import House
from tests.github import shapes
from tests.webhooks.hub import Hub

FORK = 777
URL = "https://github.com/acme/shop/pull/1"


def pull(hub: Hub, action: str, branch: str, fork: bool = False, **changes: Any) -> str:
    told = {"title": "Mend the login", "body": "", "draft": False}
    shown = shapes.pull(hub.repository, 1, branch, "main", told)
    if fork:
        shown["head"]["repo"] = {**hub.repository, "id": FORK, "fork": True}
    shown |= {"updated_at": hub.now(), **changes}
    return hub.tell("pull_request", action=action, number=1, pull_request=shown)


def workflow_run(hub: Hub, branch: str, sha: str, fork: bool = False, **changes: Any) -> str:
    home = {**hub.repository, "id": FORK} if fork else hub.repository
    told: dict[str, Any] = {"head_branch": branch, "head_sha": shapes.sha(sha)}
    told |= {"conclusion": "failure", "name": "tests", "updated_at": hub.now()}
    told |= {
        "head_repository": home,
        "status": "completed",
        "event": "push",
        "check_suite_id": 1,
        **changes,
    }
    told |= {"check_suite_node_id": "CS_1", "previous_attempt_url": None}
    run = shapes.run(hub.repository, 1, "ci.yml", told)
    return hub.tell("workflow_run", action="completed", workflow_run=run, workflow=None)


def suite(hub: Hub, branch: str, sha: str, fork: bool) -> dict[str, Any]:
    repo = {"id": FORK if fork else hub.repository["id"], "url": hub.repository["url"]}
    end = {"ref": branch, "sha": shapes.sha(sha), "repo": {**repo, "name": "shop"}}
    pull = {"id": 1, "number": 1, "url": f"{hub.repository['url']}/pulls/1"}
    told = {"head_branch": branch, "head_sha": shapes.sha(sha), "updated_at": hub.now()}
    pulls = [{**pull, "head": end, "base": end}]
    return shapes.suite(hub.repository, {**told, "pull_requests": pulls})


def check_suite(hub: Hub, branch: str, sha: str, fork: bool = False) -> str:
    shown = suite(hub, branch, sha, fork)
    return hub.tell("check_suite", action="completed", check_suite=shown)


def check_run(hub: Hub, branch: str, sha: str, fork: bool = False) -> str:
    within = suite(hub, branch, sha, fork)
    shown = shapes.check(hub.repository, within, {"completed_at": hub.now()})
    return hub.tell("check_run", action="completed", check_run=shown)


def artifacts(house: House, claimed: Claimed) -> list[Artifact]:
    return house.admin(ops.ListArtifacts(worker_id=claimed.id))


def said(house: House, lease: Principal, claimed: Claimed) -> list[str | None]:
    return [
        each.content for each in house.broker.execute(ops.Heartbeat(id=claimed.id), lease).messages
    ]


def completed(house: House, hub: Hub, **issue: Any) -> Claimed:
    hub.issues("opened", **issue)
    claimed, lease = house.running(house.account())
    house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    return claimed


def open_tasks(hub: Hub) -> list[Task]:
    return [task for task in hub.tasks() if task.status.value == "pending"]


def test_a_pull_request_is_shown_with_its_attempt_and_so_is_its_end(house: House, hub: Hub) -> None:
    claimed = completed(house, hub)
    assert pull(hub, "opened", claimed.branch) == f"pull request 1 is open: {claimed.id}"
    [shown] = artifacts(house, claimed)
    assert (shown.type.value, shown.content) == ("pull_request", URL)
    assert shown.title == "#1 Mend the login"
    pull(hub, "closed", claimed.branch, state="closed", merged=True)
    [shown] = artifacts(house, claimed)
    assert (shown.metadata["state"], shown.metadata["branch"]) == ("merged", claimed.branch)


@pytest.mark.parametrize("tell", [workflow_run, check_suite, check_run])
def test_an_agent_at_work_hears_once_that_a_commit_fails(house: House, hub: Hub, tell: Any) -> None:
    hub.issues("opened")
    claimed, lease = house.running(house.account())
    assert tell(hub, claimed.branch, "one") == f"told {claimed.id}"
    for other in (workflow_run, check_suite, check_run):
        other(hub, claimed.branch, "one")
    [message] = said(house, lease, claimed)
    assert message is not None
    assert f"has failed (failure) on commit {shapes.sha('one')} of {claimed.branch}." in message
    tell(hub, claimed.branch, "two")
    assert len(said(house, lease, claimed)) == 2


@pytest.mark.parametrize("tell", [pull, workflow_run, check_suite, check_run])
def test_a_fork_may_call_its_branch_what_it_likes(house: House, hub: Hub, tell: Any) -> None:
    hub.issues("opened")
    claimed, lease = house.running(house.account())
    words = ("opened", claimed.branch) if tell is pull else (claimed.branch, "one")
    assert tell(hub, *words, fork=True) == "no attempt's branch"
    assert (said(house, lease, claimed), artifacts(house, claimed)) == ([], [])


@pytest.mark.parametrize(
    "branch", ["main", "buildd/task_x", "", "buildd/task_01k0000000000000000000zzzz-x-1", None]
)
def test_other_branches_are_nobodys(hub: Hub, branch: str) -> None:
    assert workflow_run(hub, branch, "one") == "no attempt's branch"


@pytest.mark.parametrize("conclusion", ["success", "cancelled", "neutral", "skipped", None])
def test_what_has_not_failed_is_no_matter(house: House, hub: Hub, conclusion: str | None) -> None:
    hub.issues("opened")
    claimed, lease = house.running(house.account())
    done = workflow_run(hub, claimed.branch, "one", conclusion=conclusion)
    assert (done, said(house, lease, claimed)) == ("nothing failed", [])


def test_after_its_end_further_tasks_mend_it_and_not_for_ever(house: House, hub: Hub) -> None:
    labels = ["buildd", "priority:high", "needs:linux"]
    first = completed(house, hub, labels=labels[:2])
    workflow_run(hub, first.branch, "one", html_url="https://github.com/acme/shop/actions/runs/1")
    workflow_run(hub, first.branch, "one")
    [mend] = open_tasks(hub)
    assert mend.title == "Mend the checks of: The login fails"
    assert (mend.depends_on, mend.priority) == ([first.task_id], 100)
    assert mend.external_url == "https://github.com/acme/shop/actions/runs/1"
    assert f"git fetch origin {first.branch}" in (mend.description or "")
    second, lease = house.running(house.account())
    assert second.task_id == mend.id
    house.broker.execute(ops.CompleteWorker(id=second.id), lease)
    workflow_run(hub, second.branch, "two")
    [third] = open_tasks(hub)
    assert third.depends_on == [second.task_id]
    assert workflow_run(hub, first.branch, "three") == f"{first.task_id} has had its 2 follow-ups"
    assert open_tasks(hub) == [third]


def test_what_mends_a_strangers_task_is_trusted_no_further(house: House, hub: Hub) -> None:
    hub.issues("opened", author_association="NONE")
    house.admin(ops.ApproveTask(id=hub.task.id))
    claimed, lease = house.running(house.account())
    house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    workflow_run(hub, claimed.branch, "one")
    [mend] = open_tasks(hub)
    assert (mend.trust, mend.approved_by) == (Trust.PUBLIC, "admin")


def test_what_was_given_up_is_not_mended(house: House, hub: Hub) -> None:
    hub.issues("opened")
    claimed, lease = house.running(house.account())
    failed = ops.FailWorker(id=claimed.id, error="no", retryable=False)
    house.broker.execute(failed, lease)
    assert workflow_run(hub, claimed.branch, "one") == f"{claimed.task_id} is failed"
    assert open_tasks(hub) == []
