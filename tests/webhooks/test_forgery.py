"""Nothing is believed that is not signed, and nothing is heard twice (S7 of the security rules)."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from buildd import operations as ops
from buildd.broker import Broker, BrokerSettings
from buildd.broker.github_source import RECEIPTS_KEPT, REFUSED, Delivery
from buildd.errors import BuilddError, NotAuthenticated
from buildd.store import Transaction
from buildd.store.sql.events import LAST_SEQ
from buildd.testing import FrozenClock
from tests.broker.conftest import House
from tests.webhooks.hub import Hub, again, person, sign

FORGERIES = 1000
REPLAYS = 50


def opened(hub: Hub, number: int = 12) -> Delivery:
    payload = {
        "action": "opened",
        "issue": hub.issue(number=number),
        "repository": hub.repository,
        "sender": person(11),
    }
    return hub.signed("issues", payload)


def refused(hub: Hub, delivery: Delivery) -> None:
    with pytest.raises(NotAuthenticated, match=REFUSED):
        hub.deliver(delivery)


def mutations(real: Delivery, chance: random.Random) -> Iterator[Delivery]:
    """The same with something else about the body or its signature, without end."""

    def flipped() -> Delivery:
        body = bytearray(real.body)
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        return again(real, body=bytes(body))

    def cut() -> Delivery:
        return again(real, body=real.body[: chance.randrange(len(real.body))])

    def longer() -> Delivery:
        return again(real, body=real.body + chance.choice([b" ", b"\n", b"\x00", b"{}"]))

    def reordered() -> Delivery:
        return again(real, body=json.dumps(json.loads(real.body), sort_keys=True).encode() + b" ")

    def other_digits() -> Delivery:
        digits = list(real.signature)
        place = chance.randrange(len("sha256="), len(digits))
        digits[place] = chance.choice([c for c in "0123456789abcdef" if c != digits[place]])
        return again(real, signature="".join(digits))

    def other_form() -> Delivery:
        digest = real.signature.partition("=")[2]
        forms = ["", digest, f"sha1={digest}", f"sha256={digest.upper()}", f"SHA256={digest}"]
        forms += [f"sha256={digest}0", f"sha256={digest[:-1]}", f" sha256={digest}", "sha256="]
        return again(real, signature=chance.choice(forms))

    def other_secret() -> Delivery:
        guess = chance.choice(["", "secret", real.source_id, str(chance.random())])
        return again(real, signature=sign(guess, real.body))

    ways: list[Callable[[], Delivery]] = [flipped, cut, longer, reordered]
    ways += [other_digits, other_form, other_secret]
    while True:
        yield chance.choice(ways)()


def test_of_a_thousand_forgeries_none_is_believed(hub: Hub) -> None:
    real = opened(hub)
    forged = mutations(real, random.Random(7))
    for _ in range(FORGERIES):
        refused(hub, next(forged))
    assert hub.tasks() == []
    assert hub.deliver(real).startswith("made ")


def test_a_source_that_is_not_there_is_refused_as_a_forgery_is(house: House, hub: Hub) -> None:
    workspace = house.workspace.id
    manual = house.admin(ops.CreateSource(workspace_id=workspace, type="manual", name="people"))
    for source in ("src_none", manual.id, "", "x" * 5000):
        refused(hub, again(opened(hub), source_id=source))
    other = Hub(house, {"repository": "acme/other"})
    assert other.secret != hub.secret
    refused(hub, again(opened(hub), source_id=other.source.id))


def test_two_secrets_hold_while_they_are_exchanged(house: House, hub: Hub) -> None:
    def secret(**how: bool) -> str:
        return house.admin(ops.RevealSecret(id=hub.source.id, **how)).secret

    old, new = hub.secret, secret(rotate=True)
    assert (secret(), old != new) == (new, True)
    for number, signed_with in enumerate([old, new]):
        hub.secret = signed_with
        assert hub.deliver(opened(hub, number)).startswith("made ")
    newest = secret(rotate=True)
    hub.secret = old
    refused(hub, opened(hub))
    hub.secret = new
    assert hub.deliver(opened(hub, 2)).startswith("made ")
    assert secret(end_rotation=True) == newest
    refused(hub, opened(hub))
    hub.secret = newest
    assert hub.deliver(opened(hub, 3)).startswith("made ")


def test_what_is_sent_again_under_another_id_has_no_effect(house: House, hub: Hub) -> None:
    sent = [opened(hub, number) for number in range(REPLAYS)]
    for each in sent:
        hub.deliver(each)
    for task in hub.tasks()[::2]:
        house.admin(ops.CancelTask(id=task.id))
        house.admin(ops.DeleteTask(id=task.id))
    before, seq = hub.tasks(), last_seq(house)
    for number, each in enumerate(sent):
        assert hub.deliver(again(each, id=f"new {number}")) == "this was heard before"
        assert hub.deliver(again(each, id=f"newer {number}", event="issue_comment")) != "told"
    assert hub.tasks() == before
    assert last_seq(house) == seq


def test_of_many_at_once_one_has_the_effect(hub: Hub) -> None:
    webhooks = hub.house.broker.webhooks
    same = opened(hub)
    sent = [again(same, id=f"guid {number}") for number in range(20)]
    sent += [hub.signed("issues", labelled(hub, number)) for number in range(20)]
    believed = [webhooks.believe(each).result() for each in sent]
    done = [future.result() for future in [webhooks.hear(each) for each in believed]]
    assert sum(each.startswith("made ") for each in done) == 1
    assert len(hub.tasks()) == 1


def labelled(hub: Hub, number: int) -> dict[str, Any]:
    """Issue 12 gets one label more, in the second in which it was opened."""
    labels = ["buildd", f"label {number}"]
    about = {"repository": hub.repository, "sender": person(11)}
    return {"action": "labeled", "issue": hub.issue(labels=labels), **about}


def test_what_happened_long_ago_is_no_news(house: House, hub: Hub) -> None:
    """What is forgotten as known is too old by then."""
    delivery = opened(hub)
    hub.deliver(delivery)
    house.admin(ops.CancelTask(id=hub.task.id))
    house.clock.advance(RECEIPTS_KEPT.total_seconds() + 1)
    house.broker.reaper.sweep()
    assert hub.deliver(delivery) == "it is too old"
    assert hub.task.status == "cancelled"


def test_the_webhooks_address_is_told_by_who_knows_it(sqlite_url: str) -> None:
    settings = BrokerSettings(public_url="https://buildd.example.com")
    with closing(Broker.open(sqlite_url, settings)) as broker:
        hub = Hub(House(broker, FrozenClock()))
        shown = hub.house.admin(ops.RevealSecret(id=hub.source.id))
    assert shown.payload_url == f"https://buildd.example.com{shown.payload_path}"


def last_seq(house: House) -> int:
    """Of the last event."""
    row = house.broker._store.read(lambda tx: tx.first(LAST_SEQ)).result()
    assert row is not None
    return int(row.value)


def test_a_delivery_that_failed_works_when_it_is_sent_again(house: House, hub: Hub) -> None:
    delivery = opened(hub)

    def rename(old: str, new: str) -> None:
        def run(tx: Transaction) -> None:
            tx._cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

        house.broker._store.write(run).result()

    rename("task", "gone")
    with pytest.raises(BuilddError):
        hub.deliver(delivery)
    rename("gone", "task")
    assert hub.deliver(delivery).startswith("made ")
    assert hub.deliver(delivery) == "this was heard before"
    assert len(hub.tasks()) == 1


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        ("issues", {"comment": {"id": 1}, "action": "deleted"}),
        ("issues", {"issue": None}),
        ("issues", {"issue": {"id": 1}}),
        ("issues", {"repository": "acme/shop"}),
        ("pull_request", {"action": "closed"}),
    ],
)
def test_what_is_signed_but_not_what_its_name_says_is_refused(
    hub: Hub, event: str, changes: Any
) -> None:
    real = opened(hub)
    body = json.dumps({**json.loads(real.body), **changes}).encode()
    strange = again(real, event=event, body=body, signature=sign(hub.secret, body))
    with pytest.raises(BuilddError) as problem:
        hub.deliver(strange)
    assert problem.value.code == "invalid"
    assert hub.tasks() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"updated_at": "2026-01-31T08:00:00"},
        {"number": 10**30},
        {"body": "x" * 1_000_001},
        {"labels": ["buildd", f"needs:{'x' * 101}"]},
    ],
    ids=["no zone", "number", "body", "capability"],
)
def test_what_fits_into_no_task_is_refused_and_no_fault_of_ours(
    hub: Hub, changes: dict[str, Any]
) -> None:
    with pytest.raises(BuilddError) as problem:
        hub.issues("opened", **changes)
    assert problem.value.code == "invalid"
    assert hub.tasks() == []


def test_what_is_not_heard_leaves_nothing(hub: Hub) -> None:
    assert hub.tell("star", action="created") == "nothing to do"
    assert hub.issues("pinned") == "nothing to do"
    assert hub.tell("ping", zen="Keep it logically awesome.") == "pong"
    assert hub.tasks() == []
