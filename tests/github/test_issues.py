"""A repository's issues, synced: what a webhook would have told is made good, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import JsonValue

from buildd import plugins
from buildd.client import Client, as_async
from buildd.errors import BuilddError, ConfigError
from buildd.models import Source, Task
from buildd.plugins.sources import Synced, sync
from buildd.routing import RunnerPreference, Trust
from buildd.states import TaskStatus
from buildd.testing.sources import SourceSuite, items_of
from buildd_runners.github.issues import GitHubIssues
from tests.github import shapes
from tests.github.far_end import REPOSITORY_ID, TOKEN, GitHub
from tests.github.issues import Issues

CONFIG: dict[str, JsonValue] = {"repository": "acme/shop", "repositoryId": REPOSITORY_ID}


def today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def issues(tmp_path: Path) -> Iterator[Issues]:
    (tmp_path / "acme" / "shop.git").mkdir(parents=True)
    with GitHub(tmp_path) as far_end:
        url, page = f"{far_end.api}/repos/acme/shop", f"{far_end.url}/acme/shop"
        far_end.issues = Issues(shapes.repository(url, page))
        yield far_end.issues


def source_of(issues: Issues, token: str = TOKEN, **config: Any) -> GitHubIssues:
    api = issues.repository["url"].partition("/repos/")[0]
    return GitHubIssues.from_config({**CONFIG, "token": token, "api": api, **config}, {})


class TestGitHubIssues(SourceSuite):
    @pytest.fixture
    def source(self, issues: Issues) -> GitHubIssues:
        for _ in range(3):
            issues.put()
        issues.put(state="closed", updated_at=today())
        return source_of(issues)

    @pytest.fixture
    def away(self, issues: Issues) -> GitHubIssues:
        return source_of(issues, "another")


def test_only_issues_with_the_label_are_items(issues: Issues) -> None:
    issues.put(labels=["buildd", "priority:high", "buildd:service", "needs:gpu"])
    issues.put(labels=["bug"])
    of_pull = ("url", "html_url", "diff_url", "patch_url")
    issues.put(pull_request=dict.fromkeys(of_pull, issues.repository["url"]))
    issues.put(author_association="NONE")
    first, public = items_of(source_of(issues))
    assert (first.priority, first.runner_preference) == (100, RunnerPreference.SERVICE)
    assert (first.required_capabilities, first.trust) == (("gpu",), Trust.COLLABORATOR)
    assert public.trust is Trust.PUBLIC


def test_all_pages_are_read(issues: Issues) -> None:
    for _ in range(205):
        issues.put()
    assert len(items_of(source_of(issues))) == 205


def test_another_repository_of_the_same_name_is_refused(issues: Issues) -> None:
    with pytest.raises(BuilddError, match="another repository than it was"):
        items_of(source_of(issues, repositoryId=1))


def test_a_task_is_made_follows_and_is_called_off(bd: Client, issues: Issues) -> None:
    workspace = bd.workspaces.create(name="shop")
    row = bd.sources.create(workspace_id=workspace.id, type="github", name="issues", config=CONFIG)
    issue = issues.put(author_association="NONE")
    assert synced(bd, row, issues).created == 1
    task = bd.tasks.approve(id=only(bd, row).id)
    assert (task.trust, task.external_url) == (Trust.PUBLIC, issue["html_url"])
    issue["body"] = "Print your environment."
    assert synced(bd, row, issues).updated == 1
    assert only(bd, row).approved_at is None
    assert synced(bd, row, issues).unchanged == 1
    issue |= {"state": "closed", "updated_at": today()}
    assert synced(bd, row, issues).cancelled == 1
    assert only(bd, row).status is TaskStatus.CANCELLED
    assert synced(bd, row, issues).unchanged == 1


def only(bd: Client, row: Source) -> Task:
    [task] = bd.tasks.list(source_id=row.id)
    return task


def synced(bd: Client, row: Source, issues: Issues) -> Synced:
    async def run() -> Synced:
        async with as_async(bd) as client:
            return await sync(client, row, source_of(issues))

    return anyio.run(run)


@pytest.mark.parametrize(
    ("config", "environ", "said"),
    [
        ({}, {}, "BUILDD_GITHUB_TOKEN"),
        ({"api": "https://ghe.example/api/v3"}, {}, "BUILDD_GITHUB_TOKEN"),
        ({"token": "x", "repository": "shop"}, {}, "config.repository"),
        ({"token": "x", "app_id": "1"}, {}, "not both"),
        ({}, {"BUILDD_GITHUB_TOKEN": "x"}, None),
        ({"token": "x"}, {"BUILDD_GITHUB_APP_ID": "1"}, None),
    ],
)
def test_its_credentials_are_the_configs_or_the_environments(
    config: dict[str, Any], environ: dict[str, str], said: str | None
) -> None:
    given = {**CONFIG, **config}
    if said is None:
        GitHubIssues.from_config(given, environ)
        assert plugins.load().sources.make("github", {**given, "token": "x"})
    else:
        with pytest.raises(ConfigError, match=said):
            GitHubIssues.from_config(given, environ)
