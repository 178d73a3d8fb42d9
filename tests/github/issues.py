"""Issues and comments of one repository, as GitHub's REST API shows and changes them."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime
from typing import Any

from tests.github import shapes
from tests.github.workflows import Refusal

PAGE = 30


class Issues:
    """The issues of a repository, which tests put in, and the comments on them."""

    def __init__(self, repository: dict[str, Any]) -> None:
        self.repository = repository
        self.all: list[dict[str, Any]] = []
        self.comments: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def put(self, **told: Any) -> dict[str, Any]:
        """A new issue; everything of it that a test does not tell is as usual."""
        told.setdefault("number", 12 + len(self.all))
        self.all.append(shapes.issue(self.repository, told))
        return self.all[-1]

    def on(self, number: int) -> list[str]:
        """What the comments on an issue say."""
        url = f"{self.repository['url']}/issues/{number}"
        return [each["body"] for each in self.comments if each["issue_url"] == url]

    def answer(
        self, method: str, rest: str, query: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, Any]:
        """What a request is answered with. Raises `Refusal`."""
        if (method, rest) == ("GET", "/issues"):
            return 200, self._listed(query)
        of_issue = re.fullmatch(r"/issues/(\d+)/comments", rest)
        if of_issue and method in {"GET", "POST"}:
            issue = self._issue(int(of_issue[1]))
            if method == "GET":
                return 200, self._since(
                    [c for c in self.comments if c["issue_url"] == issue["url"]], query
                )
            return 201, self._comment(issue, body)
        of_comment = re.fullmatch(r"/issues/comments/(\d+)", rest)
        if of_comment and method == "PATCH":
            return 200, self._edit(int(of_comment[1]), body)
        raise Refusal(404, "Not Found")

    def _listed(self, query: dict[str, str]) -> list[dict[str, Any]]:
        wanted = set(query["labels"].split(",")) if query.get("labels") else set()
        found = [
            issue
            for issue in self.all
            if query.get("state", "open") in {"all", issue["state"]}
            and wanted <= {label["name"] for label in issue["labels"]}
        ]
        found.sort(key=lambda issue: issue["updated_at"], reverse=query.get("direction") != "asc")
        return self._since(found, query)

    def _since(self, found: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
        kept = [each for each in found if each["updated_at"] >= query.get("since", "")]
        size, page = int(query.get("per_page", PAGE)), int(query.get("page", 1))
        return kept[(page - 1) * size : page * size]

    def _issue(self, number: int) -> dict[str, Any]:
        for issue in self.all:
            if issue["number"] == number:
                return issue
        raise Refusal(404, "Not Found")

    def _comment(self, issue: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
            told = {"id": 99_262_140 + len(self.comments), "body": body["body"]}
            made = shapes.comment(issue, {**told, "created_at": now, "updated_at": now})
            self.comments.append(made)
            return made

    def _edit(self, number: int, body: dict[str, Any]) -> dict[str, Any]:
        for comment in self.comments:
            if comment["id"] == number:
                comment["body"] = body["body"]
                return comment
        raise Refusal(404, "Not Found")
