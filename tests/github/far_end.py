"""A far end that plays the part of GitHub's REST API that buildd uses, over real HTTP on loopback.

It keeps pull requests, knows the branches of real bare repositories, and checks credentials: a
token, or an App whose JSON web tokens it verifies with the App's public key.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jwt

from tests.contracts.contract import GITHUB, Contract, github
from tests.far_end import Answer, Asked, FarEnd
from tests.github import shapes
from tests.github.issues import Issues
from tests.github.workflows import Actions, Refusal

TOKEN = "ghp_a_token_that_no_agent_may_ever_see"  # noqa: S105 - opens nothing but this
APP = "12345"
REPOSITORY_ID = shapes.REPOSITORY_ID
"""What every repository here stays known by."""


def _refuse(status: int, message: str, **more: Any) -> Answer:
    link = "https://docs.github.com/rest"
    told = {"message": message, "documentation_url": link, "status": str(status)}
    return Answer(status, {**told, **more})


_BAD_CREDENTIALS = _refuse(401, "Bad credentials")
_NOT_FOUND = _refuse(404, "Not Found")


class GitHub(FarEnd):
    """One GitHub with the bare repositories of a directory, each in its owner's."""

    prefix = "/api/v3"

    def __init__(self, remotes: Path) -> None:
        super().__init__()
        self.remotes = remotes
        self.pulls: list[dict[str, Any]] = []
        self.asked: list[Asked] = []
        self.troubles: deque[Answer | None] = deque()
        """What the next requests get; None for the usual."""
        self.before: Callable[[Asked], None] = lambda asked: None
        """Called before a request is looked at."""
        self.opened: Callable[[], None] = lambda: None
        """Called after a pull request was opened, before that is answered."""
        self.actions: Actions | None = None
        """What the repositories have of GitHub Actions."""
        self.issues: Issues | None = None
        """What the repository `acme/shop` has of issues."""
        self.delivery: Callable[[Asked, Callable[[], Answer]], Answer | None] = lambda _, do: do()
        """What lies on the way of a request; None: the connection breaks."""
        self.token_may = dict.fromkeys(("pull_requests", "actions", "contents", "issues"), "write")
        self.public_key = ""
        self.tokens: dict[str, dict[str, str]] = {}
        """The App's tokens, with what each may do."""
        self._lock = threading.Lock()

    def contract(self) -> Contract | None:
        """GitHub's own, once it was fetched: `make test-real` does."""
        return github() if GITHUB.is_file() else None

    @property
    def api(self) -> str:
        return self.url + self.prefix

    def repo(self, name: str = "acme/shop") -> str:
        """What `git clone` would take."""
        return f"{self.url}/{name}.git"

    def respond(self, asked: Asked) -> Answer | None:
        return self.delivery(asked, partial(self.answer, asked))

    def answer(self, asked: Asked) -> Answer:
        self.before(asked)
        with self._lock:
            self.asked.append(asked)
            trouble = self.troubles.popleft() if self.troubles else None
        if trouble:
            self.compare(asked)
            return trouble
        answer = self._route(asked)
        self.compare(asked, answer)
        return answer

    def _route(self, asked: Asked) -> Answer:
        if asked.path == "/app/installations/7/access_tokens":
            return self._new_token(asked) if self._is_app(asked) else _BAD_CREDENTIALS
        found = re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)?", asked.path)
        name, rest = (found[1], found[2] or "") if found else ("", "")
        known = (self.remotes / f"{name}.git").is_dir() if name else False
        if rest == "/installation" and self._is_app(asked):
            shown = shapes.installation(self.api, int(APP), name.partition("/")[0])
            return Answer(200, shown) if known else _NOT_FOUND
        may = self._may(asked)
        if may is None:
            return _BAD_CREDENTIALS
        return self._of_repo(name, rest, asked, may) if known else _NOT_FOUND

    def _of_repo(self, name: str, rest: str, asked: Asked, may: dict[str, str]) -> Answer:
        match asked.method, rest:
            case "GET", "":
                return Answer(200, self._shown_repo(name))
            case "GET", "/pulls":
                return Answer(200, self._listed(name, asked.query))
            case "POST", "/pulls" if may.get("pull_requests") == "write":
                return self._open(name, asked.body)
            case "POST", "/pulls":
                return _refuse(403, "Resource not accessible by integration")
        if self.issues and rest.startswith("/issues"):
            return self._of_issues(self.issues, rest, asked, may)
        return self._of_actions(rest, asked, may)

    def _of_issues(self, issues: Issues, rest: str, asked: Asked, may: dict[str, str]) -> Answer:
        if may.get("issues") != "write" and (asked.method != "GET" or "issues" not in may):
            return _refuse(403, "Resource not accessible by integration")
        try:
            return Answer(*issues.answer(asked.method, rest, asked.query, asked.body))
        except Refusal as refusal:
            return _refuse(refusal.status, refusal.message)

    def _of_actions(self, rest: str, asked: Asked, may: dict[str, str]) -> Answer:
        wanted = "actions" if rest.startswith("/actions/") else "contents"
        writes = asked.method == "POST"
        if may.get(wanted) != "write" and (writes or wanted not in may):
            return _refuse(403, "Resource not accessible by personal access token")
        if self.actions is None:
            return _NOT_FOUND
        try:
            return Answer(*self.actions.answer(asked.method, rest, asked.query, asked.body))
        except Refusal as refusal:
            return _refuse(refusal.status, refusal.message)

    def _may(self, asked: Asked) -> dict[str, str] | None:
        secret = asked.headers.get("Authorization", "").partition(" ")[2]
        return self.token_may if secret == TOKEN else self.tokens.get(secret)

    def _is_app(self, asked: Asked) -> bool:
        try:
            claims = jwt.decode(
                asked.headers.get("Authorization", "").removeprefix("Bearer "),
                self.public_key,
                algorithms=["RS256"],
                issuer=APP,
                options={"require": ["exp", "iat", "iss"]},
            )
        except jwt.PyJWTError:
            return False
        return bool(claims["exp"] - claims["iat"] <= 600)

    def _new_token(self, asked: Asked) -> Answer:
        token = f"ghs_{APP}_{len(self.tokens)}"
        self.tokens[token] = asked.body["permissions"]
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        return Answer(201, {"token": token, "expires_at": ends})

    def _shown_repo(self, name: str) -> dict[str, Any]:
        return shapes.repository(f"{self.api}/repos/{name}", f"{self.url}/{name}")

    def _listed(self, name: str, query: dict[str, str]) -> list[dict[str, Any]]:
        return [
            pull
            for pull in self.pulls
            if pull["state"] == query.get("state", "open")
            and pull["url"].startswith(f"{self.api}/repos/{name}/")
            and pull["head"]["label"] == query.get("head", pull["head"]["label"])
            and pull["base"]["ref"] == query.get("base", pull["base"]["ref"])
        ]

    def _open(self, name: str, body: dict[str, Any]) -> Answer:
        head, base = body["head"], body["base"]
        for field_, branch in (("head", head), ("base", base)):
            if self._tip(name, branch) is None:
                wrong = {"resource": "PullRequest", "field": field_, "code": "invalid"}
                return _refuse(422, "Validation Failed", errors=[wrong])
        label = f"{name.partition('/')[0]}:{head}"
        with self._lock:
            if any(pull["head"]["label"] == label for pull in self._listed(name, {})):
                said = f"A pull request already exists for {label}."
                wrong = {"resource": "PullRequest", "code": "custom"}
                return _refuse(422, "Validation Failed", errors=[{**wrong, "message": said}])
            number = len(self.pulls) + 1
            pull = shapes.pull(self._shown_repo(name), number, head, base, body)
            self.pulls.append(pull)
        self.opened()
        return Answer(201, pull)

    def _tip(self, name: str, branch: str) -> str | None:
        done = subprocess.run(
            ["git", "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}"],
            cwd=self.remotes / f"{name}.git",
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() or None
