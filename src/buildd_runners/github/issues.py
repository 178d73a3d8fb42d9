"""A repository's issues as a source: what `buildd sources sync` makes good that no webhook has told."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import anyio.to_thread
from github import Github
from pydantic import JsonValue, ValidationError

from buildd import wire
from buildd.errors import ConfigError, NotConfigured
from buildd.models.github import GitHubConfig, Issue
from buildd.roles import SourceItem
from buildd.routing import RunnerPreference
from buildd_runners.github.credentials import Credentials
from buildd_runners.github.refusals import explained

_PERMISSIONS = {"issues": "read"}
_SETTINGS = ("token", "app_id", "app_key_file", "api")
_PAGE = 100
_CLOSED_SINCE = timedelta(days=30)
"""How far back a sync looks for issues that were closed."""


@dataclass(frozen=True)
class GitHubIssues:
    """The issues of one repository that have the source's label."""

    config: GitHubConfig
    credentials: Credentials

    @classmethod
    def from_config(
        cls, config: Mapping[str, JsonValue], environ: Mapping[str, str] = os.environ
    ) -> Self:
        """From a source's config, with its credentials in it or the server's in the environment.

        Raises `ConfigError`.
        """
        told = {name: config[name] for name in _SETTINGS if config.get(name)}
        if not told.keys() - {"api"}:
            found = {name: environ.get(f"BUILDD_GITHUB_{name.upper()}") for name in _SETTINGS}
            told = {**{name: value for name, value in found.items() if value}, **told}
        if not told.keys() - {"api"}:
            raise ConfigError(
                'config: say {"token": {"env": "GITHUB_TOKEN"}}, or set BUILDD_GITHUB_TOKEN'
            )
        rest = {name: value for name, value in config.items() if name not in _SETTINGS}
        try:
            return cls(GitHubConfig.model_validate(rest), Credentials.from_config(told))
        except ValidationError as problem:
            raise ConfigError(str(wire.invalid(problem).within("config"))) from None

    async def items(self) -> AsyncIterator[SourceItem]:
        """Those that are open, and of those that were closed lately, that they are."""
        for issue in await anyio.to_thread.run_sync(lambda: list(self._issues())):
            if issue.pull_request is None:
                yield self._item(issue)

    def _issues(self) -> Iterator[Issue]:
        owner, _, name = self.config.repository.partition("/")
        with explained(), self.credentials.client(owner, name, _PERMISSIONS) as github:
            repository = github.get_repo(self.config.repository)
            if self.config.repository_id not in {None, repository.id}:
                raise NotConfigured(
                    f"{self.config.repository} is another repository than it was: "
                    "change config.repository and config.repositoryId"
                )
            since = datetime.now(UTC) - _CLOSED_SINCE
            for which in ({"state": "open"}, {"state": "closed", "since": f"{since:%FT%TZ}"}):
                for each in _pages(github, f"{repository.url}/issues", self._asked(which)):
                    yield Issue.model_validate(each)

    def _asked(self, which: Mapping[str, str]) -> dict[str, Any]:
        # By age, because a page is as it was however much is changed while it is read.
        return {**which, "labels": self.config.label, "sort": "created", "direction": "asc"}

    def _item(self, issue: Issue) -> SourceItem:
        route = self.config.routed(issue.label_names)
        told = issue.text()
        url = told.pop("external_url")
        return SourceItem(
            external_id=str(issue.id),
            url=url,
            priority=route.priority or 0,
            required_capabilities=tuple(route.required_capabilities),
            runner_preference=route.runner_preference or RunnerPreference.ANY,
            over=issue.state == "closed",
            **told,
        )


def _pages(github: Github, url: str, asked: Mapping[str, Any]) -> Iterator[Any]:
    """Everything that is listed. PyGithub's own list would ask for each issue once more."""
    page = 0
    listed: list[Any] = [None] * _PAGE
    while len(listed) == _PAGE:
        page += 1
        parameters = {**asked, "per_page": _PAGE, "page": page}
        _, listed = github.requester.requestJsonAndCheck("GET", url, parameters=parameters)
        yield from listed
