"""Many listeners at once, of all kinds: each hears what it would hear alone, however they come and drain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from buildd import operations as ops
from buildd.broker import ADMIN, Principal, Subscription
from buildd.events import Event, EventType, Filter
from tests.broker.conftest import House
from tests.broker.hearing import heard_up_to, moved_on, rights, shrink

Sees = Callable[[Event], bool]


@dataclass
class Anybody:
    """A listener of some kind that drains now and then, and what it should hear."""

    subscription: Subscription
    sees: Sees
    seen: list[int] = field(default_factory=list)

    def drain(self) -> None:
        self.seen += [notice.event.seq for notice in self.subscription.drain()]


def owns(account: Principal, *workspaces: str) -> Sees:
    """What an account sees, in other words than those of the broker."""

    def sees(event: Event) -> bool:
        where = event.workspace_id
        return where in workspaces if where else event.account_id == account.account_id

    return sees


class Town:
    """Two workspaces, an attempt, and whoever listens."""

    def __init__(self, house: House, seed: int) -> None:
        self.house, self.random = house, Random(seed)
        shop, other = house.workspace.id, house.admin(ops.CreateWorkspace(name="other")).id
        mine, both = house.account(), house.account()
        rights(house, both, other, granted=True)
        self.claimed, self.lease = house.running(mine, task_id=house.task().id)
        self.task, self.workspaces = house.task(), [shop, other]
        self.listening: list[Anybody] = []
        self.callers: list[tuple[Principal, Sees]] = [
            (ADMIN, lambda _: True),
            (mine, owns(mine, shop)),
            (both, owns(both, shop, other)),
            (self.lease, lambda event: event.worker_id == self.claimed.id),
        ]
        self.filters = [
            Filter(),
            Filter(types=frozenset({EventType.TASK_CREATED})),
            Filter(types=frozenset({EventType.TASK_CANCELLED, EventType.WORKER_PROGRESS})),
            Filter(workspace_id=other),
            Filter(task_id=self.task.id),
            Filter(worker_id=self.claimed.id),
        ]

    def act(self) -> None:
        """Something happens."""
        deeds = [self._join, self._beat, self._edit, *[self._create] * 4, *[self._drain] * 6]
        self.random.choice(deeds)()

    def _join(self) -> None:
        who, sees = self.random.choice(self.callers)
        wanted = self.random.choice(self.filters)
        after = self.random.choice([None, 0, self.random.randint(1, self.house.broker.position)])
        found = self.house.broker.subscribe(who, after, wanted, lambda: None).result()
        self.listening.append(Anybody(found, lambda e: wanted.admits(e) and sees(e)))

    def _drain(self) -> None:
        if self.listening:
            self.random.choice(self.listening).drain()

    def _create(self) -> None:
        where = self.random.choice(self.workspaces)
        made = self.house.admin(ops.CreateTask(workspace_id=where, title="x"))
        if self.random.random() < 0.3:
            self.house.admin(ops.CancelTask(id=made.id))

    def _beat(self) -> None:
        progress = self.random.randint(1, 99)
        self.house.broker.execute(ops.Heartbeat(id=self.claimed.id, progress=progress), self.lease)

    def _edit(self) -> None:
        self.house.admin(ops.UpdateTask(id=self.task.id, priority=self.random.randint(1, 9)))


@pytest.mark.parametrize("seed", range(4))
def test_all_hear_what_they_would_hear_alone(
    house: House, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(monkeypatch)
    town, events = Town(house, seed), dict[int, Event]()
    whole = house.broker.subscribe(ADMIN, 0, Filter(), lambda: None).result()
    for _ in range(250):
        town.act()
    last = moved_on(house)
    while whole.position < last:
        events |= {notice.event.seq: notice.event for notice in whole.drain()}
    assert list(events) == [*range(1, last + 1)]
    assert len(town.listening) > len(house.broker._feed._channels)
    for each in town.listening:
        each.seen += heard_up_to(each.subscription, last)
        after = each.subscription.start
        assert each.seen == [seq for seq, told in events.items() if seq > after and each.sees(told)]
