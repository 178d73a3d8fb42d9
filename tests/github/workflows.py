"""The part of the far end that plays GitHub Actions: a workflow file, dispatches and runs.

Written from GitHub's documented contract. A run begins, works and ends when a test says so; what it
is called, and which inputs it may have, is read from the workflow file as GitHub reads it.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.github import shapes

LIVE = ("queued", "in_progress", "requested", "waiting", "pending")
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")

Reply = tuple[int, Any, dict[str, str]]


@dataclass
class Refusal(Exception):
    """An answer that is not what was asked for."""

    status: int
    message: str


@dataclass
class WorkflowRun:
    """One run."""

    id: int
    event: str
    title: str
    payload: dict[str, Any]
    group: str = ""
    status: str = "queued"
    conclusion: str | None = None
    unseen: int = 0
    """How many more listings do not show it yet."""
    drained: bool = False

    @property
    def live(self) -> bool:
        return self.status in LIVE


@dataclass
class Actions:
    """The Actions of one repository with one workflow file."""

    url: str
    """The repository's, in the API."""
    page: str
    """The repository's, for people."""
    text: str
    """What is in the workflow file."""
    file: str = "buildd.yml"
    branches: tuple[str, ...] = ("main",)
    state: str = "active"
    enabled: bool = True
    administers: bool = False
    run_details: bool = True
    """Whether a `workflow_dispatch` answers with the run: not so on older servers."""
    lag: int = 0
    """How many listings do not show a new run yet."""
    held: bool = False
    """Whether new runs wait."""
    defiant: bool = False
    """Whether the steps of new runs ignore a cancellation."""
    runs: dict[int, WorkflowRun] = field(default_factory=dict)
    started: Callable[[WorkflowRun], None] = lambda run: None
    _deaf: set[int] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> Reply:
        """Status, body and headers for one request to the repository."""
        with self._lock:
            return self._write(path, body) if method == "POST" else self._read(path, query)

    def _write(self, path: str, body: dict[str, Any]) -> Reply:
        cancel = re.fullmatch(r"/actions/runs/(\d+)/(force-)?cancel", path)
        if path == "/dispatches":
            self._heard(body)
            return 204, None, {}
        if path == f"/actions/workflows/{self.file}/dispatches":
            made = self._dispatched(body)
            return (200, made, {}) if made else (204, None, {})
        if cancel is None:
            raise Refusal(404, "Not Found")
        self._cancelled(self._run(int(cancel[1])), force=bool(cancel[2]))
        return 202, {}, {}

    def _read(self, path: str, query: dict[str, str]) -> Reply:
        workflow = f"/actions/workflows/{self.file}"
        if path == f"{workflow}/runs":
            return self._listed(f"{self.url}{path}", query)
        shown: Any
        if path == workflow:
            shown = self._workflow()
        elif path == f"/contents/.github/workflows/{self.file}":
            shown = self._content(query.get("ref", "main"))
        elif path == "/actions/permissions":
            shown = self._settings()
        elif run := re.fullmatch(r"/actions/runs/(\d+)", path):
            shown = self._shown(self._run(int(run[1])))
        else:
            raise Refusal(404, "Not Found")
        return 200, shown, {}

    def begin(self, run: WorkflowRun) -> None:
        """A machine takes the run."""
        with self._lock:
            if run.status != "pending":
                run.status = "in_progress"
        if run.status == "in_progress":
            self.started(run)

    def end(self, run: WorkflowRun, conclusion: str) -> None:
        """The run is over; what waited for its group may go on."""
        with self._lock:
            run.status, run.conclusion = "completed", conclusion
            waiting = [each for each in self.runs.values() if each.status == "pending"]
            for each in waiting:
                if each.group == run.group:
                    each.status = "queued"
        for each in waiting:
            if each.status == "queued" and not self.held:
                self.begin(each)

    def named(self, title: str) -> list[WorkflowRun]:
        return [run for run in self.runs.values() if run.title == title]

    def add(self, event: str, payload: dict[str, Any]) -> WorkflowRun:
        """A new run, as GitHub makes it of the workflow file."""
        spec = self._spec()
        number = 9_000_000_001 + len(self.runs)
        title = self._evaluated(spec.get("run-name", ""), event, payload, number)
        plain = spec["name"] if event == "workflow_dispatch" else payload.get("", "buildd-task")
        group = self._evaluated(
            spec.get("concurrency", {}).get("group", ""), event, payload, number
        )
        run = WorkflowRun(number, event, title or plain, payload, group, unseen=self.lag)
        if group and any(each.live and each.group == group for each in self.runs.values()):
            run.status = "pending"
        self.runs[number] = run
        if self.defiant:
            self._deaf.add(number)
        if not self.held:
            self.begin(run)
        return run

    def _spec(self) -> dict[str, Any]:
        spec = yaml.safe_load(self.text)
        spec["on"] = spec.pop(True)  # what `on` is in YAML 1.1
        return dict(spec)

    def _evaluated(self, text: str, event: str, payload: dict[str, Any], number: int) -> str:
        """A text of the workflow file with its expressions, which are `a || b || 'c'` only."""
        known = {f"inputs.{k}": v for k, v in payload.items()}
        if event == "repository_dispatch":
            known = {f"github.event.client_payload.{k}": v for k, v in payload.items()}
        known["github.run_id"] = str(number)

        def value(found: re.Match[str]) -> str:
            terms = (each.strip() for each in found[1].split("||"))
            each = (t[1:-1] if t.startswith("'") else known.get(t, "") for t in terms)
            return next((v for v in each if v), "")

        return _EXPRESSION.sub(value, text)

    def _heard(self, body: dict[str, Any]) -> None:
        payload = body.get("client_payload", {})
        if len(body["event_type"]) > 100 or len(payload) > 10:
            raise Refusal(422, "Invalid request.")
        listens = (self._spec()["on"] or {}).get("repository_dispatch", {"types": []})
        if self.state == "active" and self.enabled and body["event_type"] in listens["types"]:
            self.add("repository_dispatch", payload)

    def _dispatched(self, body: dict[str, Any]) -> dict[str, Any] | None:
        inputs, spec = body.get("inputs", {}), self._spec()["on"]
        if body["ref"] not in self.branches:
            raise Refusal(422, f"No ref found for: {body['ref']}")
        if not self.enabled:
            raise Refusal(422, "Actions has been disabled for this repository.")
        if self.state != "active":
            raise Refusal(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
        if "workflow_dispatch" not in spec:
            raise Refusal(422, "Workflow does not have 'workflow_dispatch' trigger")
        strange = [each for each in inputs if each not in _declared(spec)]
        if strange or len(inputs) > 25:
            raise Refusal(422, f"Unexpected inputs provided: {strange}")
        run = self.add("workflow_dispatch", inputs)
        if not (self.run_details and body.get("return_run_details")):
            return None
        shown = self._shown(run)
        return {
            "workflow_run_id": run.id,
            "run_url": shown["url"],
            "html_url": shown["html_url"],
        }

    def _run(self, number: int) -> WorkflowRun:
        if number not in self.runs:
            raise Refusal(404, "Not Found")
        return self.runs[number]

    def _cancelled(self, run: WorkflowRun, *, force: bool) -> None:
        if not run.live:
            raise Refusal(409, "Cannot cancel a workflow run that is completed.")
        if force or run.id not in self._deaf:
            run.drained = not force and run.status == "in_progress"
            self.end(run, "cancelled")

    def _listed(self, url: str, query: dict[str, str]) -> Reply:
        newest = sorted(self.runs.values(), key=lambda run: -run.id)
        seen = [run for run in newest if run.unseen == 0]
        for run in newest:
            run.unseen = max(run.unseen - 1, 0)
        status = query.get("status")
        wanted = [run for run in seen if status in (None, run.status, run.conclusion)]
        size, page = min(int(query.get("per_page", 30)), 100), int(query.get("page", 1))
        part = wanted[size * (page - 1) : size * page]
        headers = {}
        if size * page < len(wanted):
            more = "&".join(f"{k}={v}" for k, v in {**query, "page": page + 1}.items())
            headers["Link"] = f'<{url}?{more}>; rel="next"'
        shown = [self._shown(run) for run in part]
        return 200, {"total_count": len(wanted), "workflow_runs": shown}, headers

    def _shown(self, run: WorkflowRun) -> dict[str, Any]:
        told = {
            "name": run.title,
            "display_title": run.title,
            "event": run.event,
            "status": run.status,
            "conclusion": run.conclusion,
        }
        return shapes.run(shapes.repository(self.url, self.page), run.id, self.file, told)

    def _settings(self) -> dict[str, Any]:
        if not self.administers:
            raise Refusal(403, "Resource not accessible by personal access token")
        return {"enabled": self.enabled}

    def _workflow(self) -> dict[str, Any]:
        return {
            "id": 161335,
            "name": "buildd worker",
            "path": f".github/workflows/{self.file}",
            "state": self.state,
            "url": f"{self.url}/actions/workflows/161335",
            "html_url": f"{self.page}/blob/main/.github/workflows/{self.file}",
            "node_id": "W_161335",
            "badge_url": f"{self.page}/workflows/buildd/badge.svg",
            "created_at": shapes.DAY,
            "updated_at": shapes.DAY,
        }

    def _content(self, ref: str) -> dict[str, Any]:
        if ref not in self.branches:
            raise Refusal(404, f"No commit found for the ref {ref}")
        path = f".github/workflows/{self.file}"
        url, raw = f"{self.url}/contents/{path}?ref={ref}", self.text.encode()
        page, blob = f"{self.page}/blob/{ref}/{path}", f"{self.url}/git/blobs/{shapes.sha(path)}"
        return {
            "type": "file",
            "encoding": "base64",
            "name": self.file,
            "path": path,
            "content": base64.encodebytes(raw).decode(),
            "sha": shapes.sha(path),
            "size": len(raw),
            "url": url,
            "html_url": page,
            "git_url": blob,
            "download_url": f"{self.page}/raw/{ref}/{path}",
            "_links": {"self": url, "html": page, "git": blob},
        }


def _declared(triggers: dict[str, Any]) -> dict[str, Any]:
    return dict((triggers["workflow_dispatch"] or {}).get("inputs", {}))
