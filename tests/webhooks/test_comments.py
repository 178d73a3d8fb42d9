"""Who may write in the repository speaks to the agent by a comment, and nobody else does."""

from __future__ import annotations

from typing import Any

import pytest

from buildd import operations as ops
from buildd.broker import Principal
from buildd.broker.github_source.comments import MARK
from buildd.models import Claimed, Message
from buildd.states import WorkerStatus
from tests.broker.conftest import House
from tests.github import shapes
from tests.webhooks.hub import BOT, STRANGER, Hub, person


def comment(hub: Hub, said: str = "Look at the session cookie.", **changes: Any) -> str:
    issue = hub.issue()
    told = {"body": said, "created_at": hub.now(), **changes}
    return hub.tell(
        "issue_comment", action="created", issue=issue, comment=shapes.comment(issue, told)
    )


def heard(house: House, lease: Principal, claimed: Claimed) -> list[Message]:
    return house.broker.execute(ops.Heartbeat(id=claimed.id), lease).messages


def test_a_collaborators_comment_reaches_the_agent(house: House, hub: Hub) -> None:
    hub.issues("opened")
    assert comment(hub) == "nobody works on it"
    claimed, lease = house.running(house.account())
    assert comment(hub, "Look at the cookie.\r\nReally.") == f"told {claimed.id}"
    [message] = heard(house, lease, claimed)
    where = "https://github.com/acme/shop/issues/12#issuecomment-99262140"
    assert message.content == (
        f"Comment of anna on the issue ({where}):\n\nLook at the cookie.\nReally."
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"author_association": "NONE"},
        {"author_association": "CONTRIBUTOR", "user": person(STRANGER)},
        {"author_association": "MEMBER", "user": person(BOT)},
        {"author_association": "OWNER", "user": None},
        {"body": f"{MARK} task_1 -->\nIt is running."},
        {"created_at": "2025-11-01T00:00:00Z"},
    ],
)
def test_other_comments_do_not(house: House, hub: Hub, changes: Any) -> None:
    hub.issues("opened")
    claimed, lease = house.running(house.account())
    comment(hub, **changes)
    assert heard(house, lease, claimed) == []


def test_a_comment_answers_what_the_agent_asks(house: House, hub: Hub) -> None:
    hub.issues("opened")
    claimed, lease = house.running(house.account())
    house.broker.execute(ops.AskWorker(id=claimed.id, type="question", prompt="Which?"), lease)
    comment(hub, "I am thinking about it.")
    assert house.worker(claimed).status is WorkerStatus.WAITING_INPUT
    assert comment(hub, "/answer The second one.") == f"answered {claimed.id}"
    assert house.worker(claimed).status is WorkerStatus.RUNNING
    assert heard(house, lease, claimed)[-1].content == "The second one."
