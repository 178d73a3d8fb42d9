"""What our tests say in GitHub's name is what GitHub says, and what GitHub says is understood."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from buildd.broker.github_source.payloads import parse
from tests.broker.conftest import House
from tests.broker.conftest import house as house  # noqa: PLC0414 - fixtures are found by name
from tests.contracts.contract import GITHUB, github
from tests.webhooks import test_changes as changes
from tests.webhooks.hub import Hub
from tests.webhooks.test_comments import comment

EXAMPLES = GITHUB.with_name("webhooks.json")

pytestmark = pytest.mark.real


def examples() -> Iterator[tuple[str, dict[str, Any]]]:
    """What GitHub has sent to others: the event and what was in the body."""
    assert EXAMPLES.is_file(), "GitHub's examples are not here: make .make/specs"
    for event in json.loads(EXAMPLES.read_text()):
        for example in event["examples"]:
            yield event["name"], example


def test_every_example_of_githubs_is_understood_or_none_of_our_business() -> None:
    heard = [parse(event, json.dumps(example).encode()) for event, example in examples()]
    assert len(heard) == 329
    assert sum(payload is not None for payload in heard) == 41


@pytest.mark.timeout(600)
def test_what_our_tests_deliver_is_as_github_describes_it(house: House) -> None:
    faults: list[str] = []

    class Compared(Hub):
        def signed(self, event: str, payload: Any) -> Any:
            action = f"-{payload['action']}" if "action" in payload else ""
            name = f"webhook-{event}{action}".replace("_", "-")
            found = github().mismatches_of(name, payload)
            faults.extend(f"{name}: {fault}" for fault in found)
            return super().signed(event, payload)

    hub = Compared(house)
    hub.tell("ping", zen="Encourage flow.", hook_id=1)
    for action in ("opened", "edited", "unlabeled", "labeled", "deleted"):
        hub.issues(action, label="buildd")
    hub.issues("closed", state="closed", closed_at=hub.now(), state_reason="completed")
    hub.issues("reopened")
    claimed, _ = house.running(house.account())
    comment(hub)
    changes.pull(hub, "opened", claimed.branch)
    changes.pull(hub, "closed", claimed.branch, state="closed", merged=True)
    for tell in (changes.workflow_run, changes.check_suite, changes.check_run):
        tell(hub, claimed.branch, "one")
    assert not faults, "\n".join(sorted(set(faults)))
