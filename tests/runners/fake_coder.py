"""A far end that plays the part of Coder's REST API that buildd uses, over real HTTP on loopback.

It keeps workspaces and their builds, does one build at a time, and goes one step on each time that
somebody looks, so that a test never waits for a clock. What it refuses, it refuses as Coder does.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.contracts.contract import Contract, coder
from tests.far_end import Answer, Asked, FarEnd
from tests.runners.coder_workspace import ACTIVE, ME, TEMPLATE, Workspace

TOKEN = "xxxxxxxxxx-a-token-of-coder-that-nobody-sees"  # noqa: S105 - opens nothing but this
_NAME = re.compile(r"[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*")
_ENDS = {"start": "running", "stop": "stopped", "delete": "deleted"}
_UNDER_WAY = {"start": "starting", "stop": "stopping", "delete": "deleting"}

BROKEN = Answer(0)
"""The connection ends without an answer."""


def refuse(status: int, message: str, detail: str = "", **fields: str) -> Answer:
    wrong = [{"field": name, "detail": why} for name, why in fields.items()]
    more = {"detail": detail, "validations": wrong}
    return Answer(status, {"message": message, **{k: v for k, v in more.items() if v}})


_NOT_FOUND = refuse(404, "Resource not found or you do not have access to this resource")


@dataclass
class Rules:
    """How this Coder is set up."""

    parameters: dict[str, bool] = field(
        default_factory=lambda: {
            "buildd_server": False,
            "buildd_key": True,
            "buildd_launch": False,
            "buildd_arguments": False,
        }
    )
    """What the template takes, and whether that is ephemeral."""
    created: int = 201
    """Coder answers 201; its documentation says 200."""
    may_create: bool = True
    may_cancel: bool = True
    ttl: timedelta | None = None
    longest: timedelta | None = None
    page: int = 100


class Coder(FarEnd):
    """One Coder with one template, `buildd`, in the organization `default`."""

    prefix = "/api/v2/"

    def __init__(self) -> None:
        super().__init__()
        self.rules = Rules()
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.workspaces: dict[str, Workspace] = {}
        self.asked: list[Asked] = []
        self.before: Callable[[Asked], Answer | None] = lambda asked: None
        """Called before a request is looked at; what it returns is the answer, `BROKEN` is none."""
        self.held = False
        """Builds wait in the queue."""
        self.failure: tuple[str, str, list[str]] | None = None
        """How the next builds fail: error, its code, and the log."""
        self.started: Callable[[Workspace], None] = lambda workspace: None
        """Called when a workspace runs, and its start-up script would."""
        self.ending: Callable[[Workspace], None] = lambda workspace: None
        """Called before a workspace goes, when its last script would run."""
        self.lock = threading.RLock()
        user, version = f"users/(?:me|{ME['username']})", TEMPLATE["active_version_id"]
        self._routes: list[tuple[str, str, Callable[..., Answer]]] = [
            ("GET", user, lambda _: Answer(200, ME)),
            ("GET", f"{user}/workspace/([^/]+)", self._named),
            ("POST", f"{user}/workspaces", self._create),
            ("GET", "organizations/default/templates/buildd", lambda _: Answer(200, TEMPLATE)),
            ("GET", f"templateversions/{version}/rich-parameters", self._taken),
            ("POST", "authcheck", self._check),
            ("GET", "workspaces", self._listed),
            ("*", "workspaces/([^/]+)(/.*)?", self._of_workspace),
            ("*", "workspacebuilds/([^/]+)(/.*)", self._of_build),
        ]

    def contract(self) -> Contract:
        """Coder's, as far as buildd needs it, in our words."""
        return coder()

    def of(self, launch: str) -> list[Workspace]:
        """The workspaces that say they are for a launch."""
        every = self.workspaces.values()
        return [each for each in every if each.parameters.get("buildd_launch") == launch]

    def advance(self, seconds: float) -> None:
        """Let time pass: what is past its deadline is stopped."""
        self.now += timedelta(seconds=seconds)
        for each in self.workspaces.values():
            if each.status == "running" and each.deadline and each.deadline <= self.now:
                self._begin(each, "stop")

    def respond(self, asked: Asked) -> Answer | None:
        with self.lock:
            self.asked.append(asked)
        early = self.before(asked)
        if early is not None:
            self.compare(asked)
            return None if early is BROKEN else early
        with self.lock:
            return self.route(asked)

    def route(self, asked: Asked) -> Answer:
        """What Coder says."""
        answer = self._answer(asked)
        self.compare(asked, answer)
        return answer

    def _answer(self, asked: Asked) -> Answer:
        if asked.headers.get("Coder-Session-Token") != TOKEN:
            return refuse(401, "You are signed out or your session has expired.")
        for method, pattern, answer in self._routes:
            found = re.fullmatch(pattern, asked.path)
            if found and method in (asked.method, "*"):
                return answer(asked, *found.groups())
        return _NOT_FOUND

    def _taken(self, _: Asked) -> Answer:
        shown = [
            {
                "name": name,
                "type": "string",
                "default_value": "",
                "required": False,
                "mutable": short,
                "ephemeral": short,
            }
            for name, short in self.rules.parameters.items()
        ]
        return Answer(200, shown)

    def _check(self, asked: Asked) -> Answer:
        return Answer(200, dict.fromkeys(asked.body["checks"], self.rules.may_create))

    def _named(self, asked: Asked, name: str) -> Answer:
        with_deleted = asked.query.get("include_deleted") == "true"
        for each in reversed(self.workspaces.values()):
            if each.name == name and each.owner == ME["username"]:
                self._go_on(each)
                if each.status != "deleted" or with_deleted:
                    return Answer(200, self.shown(each))
        return _NOT_FOUND

    def _create(self, asked: Asked) -> Answer:
        body, name = asked.body, asked.body["name"]
        if not _NAME.fullmatch(name) or len(name) > 32:
            return refuse(400, "Validation failed.", name="must be alphanumeric with hyphens")
        if body.get("template_id") != TEMPLATE["id"]:
            return refuse(400, "Template not found.")
        mine = [each for each in self.workspaces.values() if each.owner == ME["username"]]
        if any(each.name == name and each.status != "deleted" for each in mine):
            said = f'Workspace "{name}" already exists.'
            return refuse(409, said, name="This value is already in use and should be unique.")
        values = {each["name"]: each["value"] for each in body["rich_parameter_values"]}
        strange = sorted(set(values) - set(self.rules.parameters))
        if strange:
            said = f"unknown parameter, value {values[strange[0]]}"
            return refuse(400, "Unable to validate parameters", **{strange[0]: said})
        workspace = Workspace(name, values)
        self.workspaces[workspace.id] = workspace
        self._begin(workspace, "start")
        return Answer(self.rules.created, self.shown(workspace))

    def _listed(self, asked: Asked) -> Answer:
        query = asked.query
        words = dict(word.split(":", 1) for word in query["q"].split())
        owner = ME["username"] if words["owner"] == "me" else words["owner"]
        found = [
            each
            for each in self.workspaces.values()
            if each.status != "deleted" and each.owner == owner and words["name"] in each.name
        ]
        first = int(query.get("offset", 0))
        page = found[first : first + min(int(query.get("limit", 0)), self.rules.page)]
        shown = [self.shown(each) for each in page]
        return Answer(200, {"workspaces": shown or None, "count": len(found)})

    def _of_workspace(self, asked: Asked, workspace_id: str, rest: str | None) -> Answer:
        workspace = self.workspaces.get(workspace_id)
        if workspace is None:
            return _NOT_FOUND
        match asked.method, rest:
            case "GET", None:
                self._go_on(workspace)
                if workspace.status == "deleted":
                    return refuse(410, "Workspace was deleted and cannot be viewed.")
                return Answer(200, self.shown(workspace))
            case "POST", "/builds":
                return self._build(workspace, asked.body)
            case "PUT", "/extend":
                return self._extend(workspace, datetime.fromisoformat(asked.body["deadline"]))
        return _NOT_FOUND

    def _build(self, workspace: Workspace, body: dict[str, Any]) -> Answer:
        if workspace.status in ACTIVE:
            return refuse(409, "A workspace build is already active.")
        if workspace.status == "deleted" and body["transition"] != "delete":
            return refuse(409, f"Cannot {body['transition']} a deleted workspace!")
        given = {each["name"]: each["value"] for each in body.get("rich_parameter_values", [])}
        fixed = [name for name in given if name == "buildd_launch"]
        if fixed:
            return refuse(400, f'Parameter "{fixed[0]}" is not mutable')
        kept = {
            name: value
            for name, value in workspace.parameters.items()
            if not self.rules.parameters.get(name)
        }
        workspace.parameters = {**kept, **given}
        self._begin(workspace, body["transition"])
        return Answer(self.rules.created, self.shown(workspace)["latest_build"])

    def _extend(self, workspace: Workspace, deadline: datetime) -> Answer:
        if workspace.transition != "start":
            return refuse(409, f"Workspace must be started, current status: {workspace.transition}")
        if workspace.status != "running":
            return refuse(409, "Workspace is still building!")
        if workspace.deadline is None:
            return refuse(409, "Workspace shutdown is manual.")
        if deadline < self.now + timedelta(minutes=30):
            return refuse(400, "Cannot extend workspace: new deadline is less than 30 minutes away")
        longest = self._longest()
        if longest and deadline > longest:
            return refuse(400, "Cannot extend workspace beyond max deadline.")
        workspace.deadline = deadline
        return refuse(200, f"Deadline updated to {deadline.isoformat()}.")

    def _of_build(self, asked: Asked, build_id: str, rest: str) -> Answer:
        found = [each for each in self.workspaces.values() if each.build_id == build_id]
        if not found:
            return _NOT_FOUND
        match asked.method, rest:
            case "GET", "/parameters":
                given = found[0].parameters.items()
                return Answer(200, [{"name": name, "value": value} for name, value in given])
            case "GET", "/logs":
                return Answer(200, found[0].shown_log())
            case "PATCH", "/cancel":
                return self._cancel(found[0])
        return _NOT_FOUND

    def _cancel(self, workspace: Workspace) -> Answer:
        if not self.rules.may_cancel:
            return refuse(403, "User is not allowed to cancel workspace builds.")
        if workspace.status not in ACTIVE:
            return refuse(400, "Job has already completed!")
        waits = workspace.status == "pending"
        workspace.status = "canceled" if waits else "canceling"
        return refuse(200, "Job has been marked as canceled...")

    def _begin(self, workspace: Workspace, transition: str) -> None:
        workspace.build_id = str(uuid4())
        workspace.builds += 1
        workspace.transition, workspace.status = transition, "pending"
        workspace.error = workspace.error_code = ""
        workspace.log = ["Terraform 1.9.8"]

    def _go_on(self, workspace: Workspace) -> None:
        """One step further, if there is one."""
        match workspace.status:
            case "pending" if not self.held:
                workspace.status = _UNDER_WAY[workspace.transition]
            case "stopping" | "deleting":
                self.ending(workspace)
                self._finish(workspace)
            case "starting":
                self._finish(workspace)
            case "canceling":
                workspace.status = "canceled"
            case "running" if workspace.agent == "connecting":
                workspace.agent, workspace.lifecycle = "connected", "starting"
            case "running" if workspace.lifecycle == "starting":
                workspace.lifecycle = "ready"
                self.started(workspace)

    def _finish(self, workspace: Workspace) -> None:
        if self.failure:
            workspace.error, workspace.error_code, lines = self.failure
            workspace.log += lines
            workspace.status = "failed"
            return
        workspace.status = _ENDS[workspace.transition]
        if workspace.transition == "start":
            workspace.agent, workspace.lifecycle = "connecting", "created"
            workspace.deadline = self.now + self.rules.ttl if self.rules.ttl else None
        else:
            workspace.lifecycle = "off"

    def _longest(self) -> datetime | None:
        return datetime(2026, 3, 1, tzinfo=UTC) + self.rules.longest if self.rules.longest else None

    def shown(self, workspace: Workspace) -> dict[str, Any]:
        return workspace.shown(self._longest())
