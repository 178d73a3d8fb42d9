"""Who is told what, signed with which secret, how often again, and when that ends."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from pydantic import ValidationError

from buildd import operations as ops
from buildd.broker import Broker, BrokerSettings
from buildd.broker.relay import Answer, HookSender, RelayPace, outbox, turns
from buildd.errors import NotFound, Unavailable, WrongState
from buildd.models import HookMessage
from buildd.retention import Retention
from buildd.states import DeliveryStatus
from buildd.store.sql import deliveries as sql
from buildd.telling import HookType, TargetKind
from buildd.testing import FrozenClock
from tests.broker.conftest import House
from tests.hooks.conftest import GONE, Line, Office

OUT = Unavailable("it cannot be reached")


def types(office: Office) -> list[str]:
    return [sent.told["type"] for sent in office.round()]


def test_a_hook_is_told_once_what_it_asked_for_and_nothing_from_before(office: Office) -> None:
    office.done()
    hook = office.hook()
    assert office.round() == []
    task_id = office.done()
    [sent] = office.round()
    message = HookMessage.model_validate_json(sent.body)
    assert (message.type, message.task_id, message.event) == (
        "completed",
        task_id,
        "worker:completed",
    )
    assert message.task is not None
    assert message.worker is not None
    assert (message.task.title, message.task.status) == ("work", "completed")
    assert message.worker.status == "completed"
    assert message.data["result"] == {"ok": True}
    assert sent.signed_by(hook.secret)
    assert sent.url.host == "hooks.example"
    [delivery] = office.deliveries(hook)
    assert (delivery.id, delivery.hook_id, delivery.event_seq) == (sent.id, hook.id, message.seq)
    assert (delivery.status, delivery.response_status) == (DeliveryStatus.DELIVERED, 204)
    assert office.round() == []


def test_a_question_and_an_end_for_good_are_told(office: Office) -> None:
    office.hook()
    account = office.house.account()
    office.house.task(max_attempts=1)
    claimed, lease = office.house.running(account)
    office.house.broker.execute(ops.AskWorker(id=claimed.id, type="question", prompt="?"), lease)
    [asked] = office.round()
    assert asked.told["type"] == "waiting_input"
    assert asked.told["data"]["waitingFor"]["prompt"] == "?"
    office.house.broker.execute(ops.FailWorker(id=claimed.id, error="no"), lease)
    [failed] = office.round()
    assert (failed.told["type"], failed.told["task"]["status"]) == ("failed", "failed")
    office.house.admin(ops.DeleteTask(id=claimed.task_id))
    assert office.round() == []


def test_a_failure_that_is_tried_again_is_not_told(office: Office) -> None:
    office.hook()
    office.house.task(max_attempts=2)
    claimed, lease = office.house.running(office.house.account())
    office.house.broker.execute(ops.FailWorker(id=claimed.id, error="no"), lease)
    assert office.round() == []


def test_a_used_up_budget_is_told_when_it_asks_and_when_it_ends(office: Office) -> None:
    office.hook()
    account = office.house.account(max_cost_per_day=Decimal(1))
    office.house.task(), office.house.task(max_cost=Decimal(1), max_attempts=1)
    claimed, lease = office.house.running(account)
    office.house.broker.execute(ops.Heartbeat(id=claimed.id, cost_usd=Decimal(2)), lease)
    assert types(office) == ["budget"]
    office.house.admin(ops.AnswerWorker(id=claimed.id, content="stop"))
    assert types(office) == ["budget"]


def test_a_hook_of_a_workspace_and_of_types_hears_of_nothing_else(office: Office) -> None:
    other = office.house.admin(ops.CreateWorkspace(name="other"))
    office.hook(workspace_id=other.id), office.hook(types=["failed"]), office.hook(active=False)
    mine = office.hook(workspace_id=office.house.workspace.id, types=["completed"])
    office.done()
    office.round()
    assert len(office.line.sent) == 1
    assert len(office.deliveries(mine)) == 1
    assert [each.id for each in office.house.admin(ops.ListHooks(workspace_id=other.id))] == [
        each.id for each in office.house.admin(ops.ListHooks()) if each.workspace_id == other.id
    ]
    with pytest.raises(NotFound, match="workspace"):
        office.hook(workspace_id="ws_1")
    office.house.admin(ops.DeleteWorkspace(id=other.id))
    assert other.id not in [each.workspace_id for each in office.house.admin(ops.ListHooks())]


def test_a_new_secret_and_the_one_before_both_sign_for_a_while(office: Office) -> None:
    first = office.hook()
    second = office.house.admin(ops.RotateHook(id=first.id, overlap_seconds=60))
    assert first.secret != second.secret
    assert office.see(first).overlap_until == office.house.clock.now() + timedelta(seconds=60)
    office.house.admin(ops.TestHook(id=first.id))
    assert office.round()[0].signed_by(second.secret, first.secret)
    office.house.clock.advance(60)
    office.house.admin(ops.TestHook(id=first.id))
    assert office.round()[0].signed_by(second.secret)
    third = office.house.admin(ops.RotateHook(id=first.id, overlap_seconds=0))
    office.house.admin(ops.TestHook(id=first.id))
    assert office.round()[0].signed_by(third.secret)


def test_what_is_not_taken_is_sent_again_under_its_id_later_and_later(office: Office) -> None:
    hook = office.hook()
    delivery = office.house.admin(ops.TestHook(id=hook.id))
    waits = []
    for attempt in range(1, office.pace.attempts + 1):
        [sent] = office.round(OUT if attempt % 2 else 503)
        assert (sent.id, sent.told["type"]) == (delivery.id, "test")
        assert office.round() == []
        [now] = office.deliveries(hook)
        assert now.attempts == attempt
        if now.due_at is not None:
            waits.append((now.due_at - office.house.clock.now()).total_seconds())
            office.house.clock.advance(waits[-1])
    bounds = [min(10 * 2**each, 21_600) for each in range(len(waits))]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    assert sum(bounds) > 86_400
    assert (now.status, now.response_status) == (DeliveryStatus.FAILED, 503)
    assert now.error == "answered 503; given up after 16 attempts"
    assert office.see(hook).active


def test_redelivery_sends_the_same_again_and_only_what_is_over(office: Office) -> None:
    hook = office.hook()
    office.done()
    [first] = office.round()
    again = office.house.admin(ops.Redeliver(hook_id=hook.id, id=first.id))
    assert (again.status, again.attempts) == (DeliveryStatus.PENDING, 0)
    with pytest.raises(WrongState, match="pending"):
        office.house.admin(ops.Redeliver(hook_id=hook.id, id=first.id))
    office.house.clock.advance(1)
    [second] = office.round()
    assert (second.id, second.body) == (first.id, first.body)
    assert second.headers["webhook-signature"] != first.headers["webhook-signature"]
    other = office.hook()
    with pytest.raises(NotFound):
        office.house.admin(ops.Redeliver(hook_id=other.id, id=first.id))


def test_one_that_is_gone_is_switched_off_and_told_nothing_more(office: Office) -> None:
    hook = office.hook()
    for _ in range(6):
        office.house.admin(ops.TestHook(id=hook.id))
    office.round(*[OUT] * 5, GONE)
    assert office.see(hook).disabled_reason == "it answered 410 Gone"
    assert {each.status for each in office.deliveries(hook)} == {DeliveryStatus.FAILED}
    office.done()
    office.house.clock.advance(3600)
    assert office.round() == []
    with pytest.raises(WrongState, match="switched off"):
        office.house.admin(ops.TestHook(id=hook.id))
    with pytest.raises(WrongState, match="switched off"):
        office.house.admin(ops.Redeliver(hook_id=hook.id, id=office.deliveries(hook)[0].id))
    back = office.house.admin(ops.UpdateHook(id=hook.id, active=True))
    assert (back.active, back.disabled_reason, back.last_error) == (True, None, None)
    assert office.round() == []
    office.done()
    assert len(office.round()) == 1


def test_one_that_fails_for_days_is_switched_off_and_says_why(office: Office) -> None:
    hook = office.hook()
    office.house.admin(ops.TestHook(id=hook.id))
    office.round(302)
    seen = office.see(hook)
    assert (seen.failing_since, seen.last_error) == (
        office.house.clock.now(),
        "answered 302: redirects are not followed",
    )
    office.house.clock.advance(RelayPace.patience - 1)
    office.round(OUT)
    assert office.see(hook).active
    office.house.clock.advance(60)
    office.round(OUT)
    seen = office.see(hook)
    assert not seen.active
    assert seen.disabled_reason == "it took nothing for 5 days: it cannot be reached"


def test_one_success_ends_the_count_of_days(office: Office) -> None:
    hook = office.hook()
    office.house.admin(ops.TestHook(id=hook.id))
    office.round(500)
    assert office.see(hook).failing_since is not None
    office.house.clock.advance(60)
    office.round()
    assert (office.see(hook).failing_since, office.see(hook).last_error) == (None, None)


def test_switched_off_by_hand_it_gives_up_what_was_to_be_sent(office: Office) -> None:
    hook = office.hook()
    office.house.admin(ops.TestHook(id=hook.id))
    office.house.admin(ops.UpdateHook(id=hook.id, active=False, types=[HookType.FAILED]))
    [delivery] = office.deliveries(hook)
    assert (delivery.status, delivery.error) == (DeliveryStatus.FAILED, "the hook was switched off")
    assert office.see(hook).types == [HookType.FAILED]
    assert office.round() == []


def test_a_deleted_hook_takes_its_deliveries_along(office: Office) -> None:
    hook = office.hook()
    office.house.admin(ops.TestHook(id=hook.id))
    office.house.admin(ops.DeleteHook(id=hook.id))
    assert office.round() == []
    for operation in (
        ops.GetHook(id=hook.id),
        ops.ListDeliveries(hook_id=hook.id),
        ops.RotateHook(id=hook.id),
        ops.UpdateHook(id=hook.id, active=True),
    ):
        with pytest.raises(NotFound):
            office.house.admin(operation)


def test_finished_deliveries_are_kept_as_long_as_events(database_url: str) -> None:
    clock = FrozenClock()
    settings = BrokerSettings(clock=clock, retention=Retention(events=timedelta(days=30)))
    broker = Broker.open(database_url, settings)
    office = Office(House(broker, clock))
    hook = office.hook()
    for answers in ([], [OUT]):
        office.house.admin(ops.TestHook(id=hook.id))
        office.round(*answers)
    clock.advance(30 * 86_400 + 1)
    broker.reaper.sweep()
    assert [each.status for each in office.deliveries(hook)] == [DeliveryStatus.PENDING]
    broker.close()


def test_two_servers_tell_everything_once(office: Office, database_url: str) -> None:
    clock = office.house.clock
    hook = office.hook()
    other = Broker.open(database_url, BrokerSettings(clock=clock))
    line = Line()
    theirs = office.rounds(other, line)
    tasks = [office.done() for _ in range(4)]
    office.round(), office.round(by=theirs)
    tasks += [office.done() for _ in range(4)]
    office.round(by=theirs), office.round()
    other.close()
    told = [sent.told["taskId"] for sent in office.line.sent + line.sent]
    assert sorted(told) == sorted(tasks)
    assert len(line.sent) == 4
    assert len(office.deliveries(hook)) == len(tasks)


def test_a_hook_hears_nothing_from_before_it_though_others_still_wait_for_that(
    office: Office,
) -> None:
    first = office.hook()
    office.done()
    second = office.hook()
    assert len(office.round()) == 1
    assert (len(office.deliveries(first)), len(office.deliveries(second))) == (1, 0)


def test_of_two_servers_that_look_at_the_same_moment_one_writes_and_one_sends(
    office: Office,
) -> None:
    hook = office.hook()
    office.done()
    sender = HookSender(office.line.post)
    senders = {sender.kind: sender}
    pages = [office.read(partial(outbox.look, sender=sender)) for _ in range(2)]
    assert [page is not None and len(page.drafts) for page in pages] == [1, 1]
    assert [office.write(partial(outbox.write, page=page)) for page in pages] == [True, False]
    [delivery] = office.deliveries(hook)
    take = partial(turns.take, delivery_id=delivery.id, senders=senders, pace=office.pace)
    first, second = office.write(take), office.write(take)
    assert first is not None
    assert second is None
    settle = partial(turns.settle, senders=senders, pace=office.pace)
    office.house.clock.advance(office.pace.lease)
    second = office.write(take)
    assert not office.write(partial(settle, turn=first, answer=Answer.never("no")))
    assert office.deliveries(hook)[0].status is DeliveryStatus.SENDING
    assert office.see(hook).failing_since is None
    office.write(partial(turns.release, turn=second))
    assert len(office.round()) == 1


def test_what_a_dead_server_was_sending_another_one_sends(office: Office) -> None:
    hook = office.hook()
    office.house.admin(ops.TestHook(id=hook.id))
    taken = _take_and_die(office)
    assert office.deliveries(hook)[0].status is DeliveryStatus.SENDING
    office.house.clock.advance(office.pace.lease - 1)
    assert office.round() == []
    office.house.clock.advance(1)
    [sent] = office.round()
    assert sent.id == taken
    assert office.deliveries(hook)[0].attempts == 2


def test_one_that_no_server_survives_is_given_up(office: Office) -> None:
    hook = office.hook()
    office.house.admin(ops.TestHook(id=hook.id))
    for _ in range(office.pace.attempts):
        _take_and_die(office)
        office.house.clock.advance(office.pace.lease)
    assert office.round() == []
    assert office.deliveries(hook)[0].error == "given up: its last attempts never came to an end"


def _take_and_die(office: Office) -> str:
    """A server takes the turn of the one delivery that is due, and is never heard of again."""
    [row] = office.read(lambda tx: tx.all(sql.DUE, kind="hook", now=tx.now))
    senders = {TargetKind.HOOK: HookSender(office.line.post)}
    take = partial(turns.take, delivery_id=row.id, senders=senders, pace=office.pace)
    assert office.write(take) is not None
    return str(row.id)


def test_a_url_that_cannot_be_called_is_refused_at_once() -> None:
    for url in ("hooks.example", "https://user@hooks.example/", "https://2130706433/", ""):
        with pytest.raises(ValidationError):
            ops.CreateHook(url=url)
        with pytest.raises(ValidationError):
            ops.UpdateHook(id="hook_1", url=url)
