"""What Coder keeps, and how it shows it, with what it always shows and no field that it has not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

DAY = "2026-03-01T00:00:00Z"
ME = {
    "id": "8826ee2e-7933-4665-aef2-2393f84a0d05",
    "username": "buildd",
    "email": "buildd@example.com",
    "created_at": DAY,
}
TEMPLATE = {
    "id": "c6d67e98-83ea-49f0-8812-e4abae2b68bc",
    "name": "buildd",
    "organization_id": "7c60d51f-b44e-4682-87d6-449835ea4de6",
    "active_version_id": "0ba39c92-1f1b-4c32-aa3e-9925d7713eb1",
    "created_at": DAY,
    "updated_at": DAY,
}
ACTIVE = ("pending", "starting", "stopping", "deleting", "canceling")
_ZERO = "0001-01-01T00:00:00Z"
_BOB = "0e1b1a3c-2c6f-4b55-9d0c-3d2c2f3c9a11"
_JOB = {
    "pending": "pending",
    **dict.fromkeys(("starting", "stopping", "deleting"), "running"),
    **{status: status for status in ("canceling", "canceled", "failed")},
}


def _new_id() -> str:
    return str(uuid4())


@dataclass
class Workspace:
    """One workspace and its latest build."""

    name: str
    parameters: dict[str, str]
    owner: str = ME["username"]
    id: str = field(default_factory=_new_id)
    build_id: str = field(default_factory=_new_id)
    transition: str = "start"
    status: str = "pending"
    error: str = ""
    error_code: str = ""
    log: list[str] = field(default_factory=list)
    agent: str = "connecting"
    lifecycle: str = "created"
    deadline: datetime | None = None
    builds: int = 0

    @property
    def alive(self) -> bool:
        """Whether an agent of buildd is at work in it, or may yet be."""
        return self.lifecycle not in {"off", "start_error"} and (
            self.status == "running" or (self.transition == "start" and self.status in ACTIVE[:2])
        )

    def shown(self, longest: datetime | None) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "owner_id": ME["id"] if self.owner == ME["username"] else _BOB,
            "owner_name": self.owner,
            "organization_id": TEMPLATE["organization_id"],
            "template_id": TEMPLATE["id"],
            "template_name": TEMPLATE["name"],
            "automatic_updates": "never",
            **dict.fromkeys(("created_at", "updated_at", "last_used_at"), DAY),
            "latest_build": {
                "id": self.build_id,
                "build_number": self.builds,
                "transition": self.transition,
                "status": self.status,
                "reason": "initiator",
                "job": self._job(),
                "deadline": self.deadline.isoformat() if self.deadline else _ZERO,
                "max_deadline": longest.isoformat() if longest else None,
                "resources": self._resources() if self.status == "running" else None,
                "workspace_id": self.id,
                "workspace_name": self.name,
                "workspace_owner_name": self.owner,
                "template_version_id": TEMPLATE["active_version_id"],
                "created_at": DAY,
                "updated_at": DAY,
            },
        }

    def shown_log(self) -> list[dict[str, Any]]:
        where = {"log_source": "provisioner", "log_level": "info", "stage": "Starting workspace"}
        lines = enumerate(self.log, 1)
        return [{"id": id_, "created_at": DAY, **where, "output": line} for id_, line in lines]

    def _job(self) -> dict[str, Any]:
        told = {"error": self.error, "error_code": self.error_code}
        status = _JOB.get(self.status, "succeeded")
        job = {"id": self.build_id, "created_at": DAY, "status": status}
        return job | {name: value for name, value in told.items() if value}

    def _resources(self) -> list[dict[str, Any]]:
        def resource(kind: str, name: str) -> dict[str, Any]:
            what = {"id": _new_id(), "type": kind, "name": name, "created_at": DAY}
            return {**what, "workspace_transition": self.transition}

        agent = {
            "id": _new_id(),
            "name": "main",
            "status": self.agent,
            "lifecycle_state": self.lifecycle,
            "created_at": DAY,
        }
        home = resource("docker_volume", "home")
        return [home, {**resource("docker_container", "workspace"), "agents": [agent]}]
