"""GitHub as the sender of webhooks: a repository with issues, whose deliveries it signs."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from buildd import operations as ops
from buildd.broker.github_source import Delivery
from buildd.models import Source, Task
from tests.broker.conftest import House
from tests.github import shapes

API = "https://api.github.com"
NAME = "acme/shop"
ANNA, STRANGER, BOT = 11, 66, 99


def person(id_: int) -> dict[str, Any]:
    """A collaborator, a stranger, a program."""
    names = {ANNA: "anna", STRANGER: "mallory", BOT: "helpful[bot]"}
    kind = "Bot" if id_ == BOT else "User"
    return {**shapes.user(API, names[id_]), "id": id_, "type": kind}


def sign(secret: str, body: bytes) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


@dataclass
class Hub:
    """A source, and the repository whose webhook it has."""

    house: House
    config: Mapping[str, Any] = field(default_factory=dict)
    repository: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        page = f"https://github.com/{NAME}"
        self.repository = shapes.repository(f"{API}/repos/{NAME}", page)
        self.source: Source = self.house.admin(
            ops.CreateSource(
                workspace_id=self.house.workspace.id,
                type="github",
                name="issues",
                config={"repository": NAME, **self.config},
            )
        )
        self.secret = self.house.admin(ops.RevealSecret(id=self.source.id)).secret
        self.deliveries = 0

    def signed(self, event: str, payload: Mapping[str, Any]) -> Delivery:
        """What GitHub would send."""
        self.deliveries += 1
        body = json.dumps(payload).encode()
        guid = f"72d3162e-cc78-11e3-81ab-{self.deliveries:012}"
        return Delivery(self.source.id, event, guid, sign(self.secret, body), body)

    def deliver(self, delivery: Delivery) -> str:
        believed = self.house.broker.webhooks.believe(delivery).result()
        return self.house.broker.webhooks.hear(believed).result()

    def tell(self, event: str, sender: int = ANNA, **payload: Any) -> str:
        """Deliver something that happens now, and return what was done about it."""
        about = {"repository": self.repository, "sender": person(sender), **payload}
        return self.deliver(self.signed(event, about))

    def issue(self, **changes: Any) -> dict[str, Any]:
        """Issue 12 as it is now, open and with the label unless something else is said."""
        return shapes.issue(self.repository, {"updated_at": self.now(), **changes})

    def issues(self, action: str, sender: int = ANNA, **changes: Any) -> str:
        """Something happens to issue 12, a second later than the last thing."""
        self.house.clock.advance(1)
        label = changes.pop("label", None)
        more = {"label": shapes.label(label)} if label else {}
        more |= {"changes": {}} if action == "edited" else {}
        return self.tell("issues", sender, action=action, issue=self.issue(**changes), **more)

    def now(self, ago: float = 0) -> str:
        moment = self.house.clock.now() - timedelta(seconds=ago)
        return f"{moment:%Y-%m-%dT%H:%M:%SZ}"

    def tasks(self) -> list[Task]:
        return self.house.admin(ops.ListTasks(source_id=self.source.id))

    @property
    def task(self) -> Task:
        [task] = self.tasks()
        return task


def again(delivery: Delivery, **changes: Any) -> Delivery:
    """The same in another guise."""
    return replace(delivery, **changes)
