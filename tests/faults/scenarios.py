"""The scenarios that are killed at every statement: what stands before, and the steps that are interrupted.

A step is one thing that a caller does and gets one answer to. Whatever later steps need, it leaves in
the hand's book.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from buildd import operations as ops
from buildd.errors import LeaseLost
from tests.faults.hand import TIMES, Hand

Do = Callable[[Hand], object]


@dataclass(frozen=True)
class Scenario:
    """What stands before, and what is interrupted."""

    before: tuple[Do, ...]
    steps: tuple[Do, ...]
    repeatable: bool = False
    """Whether each step may be sent again, and then changes nothing."""


def _id(hand: Hand, task: str) -> str:
    worker: str = hand.book[f"{task}.worker"]
    return worker


def _resume(hand: Hand) -> None:
    hand.do(ops.StartWorker(id=_id(hand, "a")))


def _pause_by_person(hand: Hand) -> None:
    hand.do(ops.PauseWorker(id=_id(hand, "a")))


def _pause_by_agent(hand: Hand) -> None:
    hand.do(ops.PauseWorker(id=_id(hand, "a")), "a.lease")


def _ask(hand: Hand) -> None:
    hand.do(ops.AskWorker(id=_id(hand, "a"), type="question", prompt="Which?"), "a.lease")


def _answer(hand: Hand) -> None:
    hand.do(ops.AnswerWorker(id=_id(hand, "a"), content="That one"))


def _artifact(hand: Hand) -> None:
    made = hand.do(
        ops.CreateArtifact(worker_id=_id(hand, "a"), type="diff", content="-+"), "a.lease"
    )
    hand.book["artifact"] = made.id


def _comment(hand: Hand) -> None:
    hand.do(ops.CreateComment(artifact_id=hand.book["artifact"], content="Better so"))


def _message(hand: Hand) -> None:
    hand.do(ops.CreateMessage(worker_id=_id(hand, "a"), content="Done"), "a.lease")


def _messages(hand: Hand) -> None:
    messages = [ops.BatchedMessage(content=f"line {n}") for n in range(3)]
    said = ops.CreateMessages(worker_id=_id(hand, "a"), messages=messages, idempotency_key="m")
    hand.do(said, "a.lease")


def _drain(hand: Hand) -> None:
    hand.do(ops.ReleaseTask(id=hand.book["a"], reason="drain"), "a.lease")


def _release(hand: Hand) -> None:
    hand.do(ops.ReleaseTask(id=hand.book["b"]))


def _cancel(hand: Hand) -> None:
    hand.do(ops.CancelTask(id=hand.book["a"]))


def _cancel_worker(hand: Hand) -> None:
    hand.do(ops.CancelWorker(id=_id(hand, "b")))


def _retry(hand: Hand) -> None:
    hand.do(ops.RetryTask(id=hand.book["a"]))


def _revoke_grant(hand: Hand) -> None:
    hand.do(ops.RevokeGrant(account_id=hand.book["agent.id"], workspace_id=hand.book["ws"]))


def _revoke_key(hand: Hand) -> None:
    hand.do(ops.RevokeKey(account_id=hand.book["agent.id"], id=hand.book["agent.key"]))


def _mint(hand: Hand) -> None:
    hand.do(ops.CreateAccount(type="service", name="vm"))


def _grant(hand: Hand) -> None:
    account, workspace = hand.book["agent.id"], hand.book["ws"]
    hand.do(ops.GrantWorkspace(account_id=account, workspace_id=workspace, can_create=True))


def _limit(hand: Hand) -> None:
    hand.do(ops.UpdateAccount(id=hand.book["agent.id"], max_concurrent_workers=2))


def _batch(hand: Hand) -> None:
    tasks = [{"workspaceId": hand.book["ws"], "title": f"number {n}"} for n in range(3)]
    hand.do(ops.CreateTasks(tasks=tasks, idempotency_key="b"))


def _schedule(hand: Hand) -> None:
    template = {"title": "every hour"}
    hand.do(
        ops.CreateSchedule(
            workspace_id=hand.book["ws"], name="hourly", cron="@hourly", task=template
        )
    )


def _an_hour_later(hand: Hand) -> None:
    hand.wait(3600)
    hand.broker.reaper.sweep()


def _stop_account(hand: Hand) -> None:
    hand.do(ops.DrainAccount(id=hand.book["agent.id"]))


def _over_the_day(hand: Hand) -> None:
    hand.beat("a", cost_usd=21)


def _allow(hand: Hand) -> None:
    hand.do(ops.AnswerWorker(id=_id(hand, "a"), content="go on"))


def _workspace(hand: Hand) -> None:
    hand.book["other"] = hand.do(ops.CreateWorkspace(name="other")).id


def _source(hand: Hand) -> None:
    source = ops.CreateSource(workspace_id=hand.book["other"], type="manual", name="list")
    hand.book["source"] = hand.do(source).id


def _rename(hand: Hand) -> None:
    hand.do(ops.UpdateWorkspace(id=hand.book["other"], name="another"))


def _remove(hand: Hand) -> None:
    hand.do(ops.DeleteWorkspace(id=hand.book["other"]))


def _fall_silent(hand: Hand) -> None:
    """No agent is heard of under a living server, until leases are about to run out."""
    for _ in range(int(TIMES.ttl / TIMES.heartbeat)):
        hand.pass_over()


def _go_on(hand: Hand) -> None:
    """An agent renews its lease and does nothing else that it is told, for as long."""
    for _ in range(int(TIMES.ttl / TIMES.heartbeat)):
        hand.pass_over()
        hand.beat("a")


def _come_back(hand: Hand) -> None:
    """The server was away for an hour."""
    hand.wait(3600)
    hand.broker.reaper.sweep()


def _stale_bill(hand: Hand) -> None:
    try:
        hand.beat("a", cost_usd=1)
    except LeaseLost:
        return
    raise AssertionError("a dead attempt was believed alive")


def _claim_again(hand: Hand) -> None:
    hand.wait(1000)
    hand.claim("a")


SCENARIOS: dict[str, Scenario] = {
    "create a task": Scenario(
        (Hand.house,),
        (lambda h: h.task("a", max_cost=2, priority=3), lambda h: h.task("b")),
    ),
    "create tasks with a key": Scenario(
        (Hand.house,),
        (lambda h: h.task("a", idempotency_key="a"), _batch),
        repeatable=True,
    ),
    "schedules": Scenario((Hand.house,), (_schedule, _an_hour_later)),
    "an attempt takes too long": Scenario(
        (Hand.house, lambda h: h.running("a", max_cost=2, timeout_seconds=10)),
        (Hand.pass_over,),
    ),
    "the day's budget is used up": Scenario(
        (Hand.house, lambda h: h.running("a")), (_over_the_day, _pause_by_agent, _allow)
    ),
    "an account is drained": Scenario(
        (Hand.house, lambda h: h.running("a")),
        (_stop_account, lambda h: h.beat("a")),
    ),
    "create tasks that wait for others": Scenario(
        (Hand.house, lambda h: h.task("a"), lambda h: h.task("b")),
        (lambda h: h.task("c", after=["a", "b"]), lambda h: h.task("d", after=["c"])),
    ),
    "change and delete a task": Scenario(
        (Hand.house, lambda h: h.task("a"), lambda h: h.task("b", after=["a"])),
        (
            lambda h: h.do(ops.UpdateTask(id=h.book["a"], priority=9)),
            lambda h: h.do(ops.DeleteTask(id=h.book["b"])),
        ),
    ),
    "claim": Scenario(
        (Hand.house, lambda h: h.task("a", max_cost=2), lambda h: h.task("b")),
        (lambda h: h.claim("a"), lambda h: h.claim("b")),
    ),
    "start and run": Scenario(
        (Hand.house, lambda h: h.task("a"), lambda h: h.claim("a")),
        (lambda h: h.start("a"), lambda h: h.beat("a", status="running")),
        repeatable=True,
    ),
    "heartbeats with costs": Scenario(
        (Hand.house, lambda h: h.running("a", max_cost=3)),
        (
            lambda h: h.beat("a", cost_usd=1, progress=10),
            lambda h: h.beat("a", cost_usd=4, turns=2),
        ),
        repeatable=True,
    ),
    "ask and answer": Scenario((Hand.house, lambda h: h.running("a")), (_ask, _answer)),
    "pause": Scenario(
        (Hand.house, lambda h: h.running("a", max_cost=2)), (_pause_by_person, _pause_by_agent)
    ),
    "resume": Scenario(
        (Hand.house, lambda h: h.running("a", max_cost=2), _pause_by_agent),
        (_resume, lambda h: h.claim("a")),
    ),
    "complete what others wait for": Scenario(
        (
            Hand.house,
            lambda h: h.running("a", max_cost=2),
            lambda h: h.running("b"),
            lambda h: h.task("c", after=["a", "b"]),
        ),
        (lambda h: h.complete("a"), lambda h: h.complete("b")),
        repeatable=True,
    ),
    "fail, for now and for good, and retry": Scenario(
        (
            Hand.house,
            lambda h: h.running("a", max_attempts=1),
            lambda h: h.running("b"),
            lambda h: h.task("c", after=["a"]),
            lambda h: h.task("d", after=["c"]),
        ),
        (lambda h: h.fail("b"), lambda h: h.fail("a", retryable=False), _retry),
        repeatable=True,
    ),
    "hand back": Scenario(
        (Hand.house, lambda h: h.running("a", max_cost=2), lambda h: h.running("b")),
        (_drain, _release),
        repeatable=True,
    ),
    "cancel": Scenario(
        (
            Hand.house,
            lambda h: h.running("a", max_cost=2),
            lambda h: h.running("b"),
            lambda h: h.task("c", after=["a"]),
        ),
        (_cancel, _cancel_worker, _retry),
        repeatable=True,
    ),
    "an agent dies": Scenario(
        (Hand.house, lambda h: h.running("a", max_cost=2), _fall_silent),
        (Hand.pass_over, _claim_again),
    ),
    "a task has killed its last agent": Scenario(
        (
            Hand.house,
            lambda h: h.running("a", max_attempts=1),
            lambda h: h.task("b", after=["a"]),
            _fall_silent,
        ),
        (Hand.pass_over, _retry),
    ),
    "an outage": Scenario((Hand.house, lambda h: h.running("a")), (_come_back,)),
    "a pause nobody confirms": Scenario(
        (Hand.house, lambda h: h.running("a", max_cost=2), _pause_by_person, _go_on),
        (Hand.pass_over,),
    ),
    "the bill of a dead attempt": Scenario(
        (Hand.house, lambda h: h.running("a", max_cost=2), _fall_silent, Hand.pass_over),
        (_stale_bill,),
    ),
    "artifacts, comments and messages": Scenario(
        (Hand.house, lambda h: h.running("a")), (_artifact, _comment, _message)
    ),
    "say many things with a key": Scenario(
        (Hand.house, lambda h: h.running("a")), (_messages,), repeatable=True
    ),
    "accounts, keys and grants": Scenario(
        (Hand.house, lambda h: h.task("a")), (_mint, _grant, _limit, _revoke_grant, _revoke_key)
    ),
    "workspaces and sources": Scenario((Hand.house,), (_workspace, _source, _rename, _remove)),
}
