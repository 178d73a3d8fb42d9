"""What tests of the feed have in common: little memory, and words for waiting until it is heard."""

from __future__ import annotations

import pytest

from buildd import operations as ops
from buildd.broker import Principal, Subscription
from buildd.broker import channel as channels
from buildd.broker import feed as feeds
from tests.broker.conftest import House


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have so little in memory, and so little at once, that a few events do what many would."""
    monkeypatch.setattr(channels, "KEEP", 10)
    monkeypatch.setattr(channels, "MOST_AT_ONCE", 6)
    monkeypatch.setattr(feeds, "_PAGE", 8)


def heard_up_to(listener: Subscription, last: int) -> list[int]:
    """What is left for a listener that hears nothing of the last one, perhaps."""
    seen: list[int] = []
    while listener.position < last:
        seen += [notice.event.seq for notice in listener.drain()]
    return seen


def moved_on(house: House, count: int = 1) -> int:
    """Let so many tasks be created, and the feed hand them on."""
    for _ in range(count):
        house.task()
    last = house.broker._store.read(feeds._last).result()
    while house.broker.position < last:
        pass
    return last


def rights(house: House, account: Principal, workspace: str, *, granted: bool) -> None:
    """Give or take a grant, and wait until the account's listeners hear what it may see now."""
    verb = ops.GrantWorkspace if granted else ops.RevokeGrant
    house.admin(verb(account_id=str(account.account_id), workspace_id=workspace))
    feed = house.broker._feed
    concerned = [each for each in feed.listeners() if each.audience.principal == account]
    while any((workspace in each.channel.terms.sight.workspaces) != granted for each in concerned):
        pass
