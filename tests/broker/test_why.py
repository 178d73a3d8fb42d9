"""`why` and the claim always agree, because they ask the same predicate."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildd import operations as ops
from buildd.models import ReasonCode, Task
from buildd.store.statement import Statement
from buildd.store.tables import agent, pool
from tests.broker.conftest import House

AGENTS = Statement(sa.select(agent.c.agent_id))
TROUBLE = Statement(
    sa.update(pool).where(pool.c.id == sa.bindparam("of")),
    ("last_error", "retry_at", "halted"),
)
CAPABILITIES = st.lists(st.sampled_from(["gpu", "linux", "mac"]), unique=True)
MONEY = st.one_of(st.none(), st.sampled_from([Decimal(0), Decimal(4), Decimal(6), Decimal(11)]))

TASKS = st.fixed_dictionaries(
    {
        "runner_preference": st.sampled_from(["any", "user", "service", "action"]),
        "required_capabilities": CAPABILITIES,
        "max_cost": MONEY,
        "trust": st.sampled_from(["internal", "public"]),
        "not_before": st.sampled_from([None, "2026-01-01T11:00:00Z", "2026-01-01T13:00:00Z"]),
    }
)
ACCOUNTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["user", "service", "action"]),
        "max_concurrent_workers": st.integers(1, 2),
        "max_cost_per_day": st.sampled_from([Decimal(0), Decimal(5), Decimal(10)]),
        "max_cost_per_task": MONEY,
    }
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    task=TASKS,
    limits=ACCOUNTS,
    offered=CAPABILITIES,
    can_claim=st.booleans(),
    busy=st.booleans(),
    workspace=st.sampled_from([{}, {"max_concurrent_workers": 1}, {"max_cost_per_day": 3}]),
    cancelled=st.booleans(),
    waits=st.booleans(),
)
def test_why_says_nothing_unmet_exactly_when_the_claim_succeeds(
    house: House,
    *,
    task: dict[str, Any],
    limits: dict[str, Any],
    offered: list[str],
    can_claim: bool,
    busy: bool,
    workspace: dict[str, Any],
    cancelled: bool,
    waits: bool,
) -> None:
    house.workspace = house.admin(ops.CreateWorkspace(name="w", **workspace))
    account = house.account(limits.pop("type"), **limits)
    if busy:
        house.task()
        house.claim(account, agent_id="one", capabilities=offered)
    house.admin(
        ops.GrantWorkspace(
            account_id=str(account.account_id),
            workspace_id=house.workspace.id,
            can_claim=can_claim,
        )
    )
    parents = [house.task(runner_preference="action").id] if waits else []
    wanted = house.task(**task, depends_on=parents)
    if cancelled:
        house.admin(ops.CancelTask(id=wanted.id))
    house.claim(account, workspace_id="ws_none", agent_id="one", capabilities=offered)

    [mine] = [
        each
        for each in house.admin(ops.WhyTask(id=wanted.id)).accounts
        if each.account_id == account.account_id
    ]
    claim = house.claim(account, task_id=wanted.id, agent_id="one", capabilities=offered)
    assert bool(claim.workers) == (not mine.unmet)
    if claim.reason is not None:
        assert claim.reason.code in {reason.code for reason in mine.unmet}


def test_why_names_every_requirement_that_is_not_met(house: House) -> None:
    laptop = house.account(max_concurrent_workers=1, max_cost_per_day=Decimal(5))
    house.task()
    house.claim(laptop)
    task = house.task(
        runner_preference="service",
        required_capabilities=["gpu"],
        max_cost=Decimal(9),
        not_before="2026-02-01T00:00:00Z",
    )
    [mine] = house.admin(ops.WhyTask(id=task.id)).accounts
    assert [reason.code for reason in mine.unmet] == [
        ReasonCode.NOT_YET,
        ReasonCode.WRONG_ROUTE,
        ReasonCode.MISSING_CAPABILITIES,
        ReasonCode.NO_SLOT,
        ReasonCode.NO_BUDGET,
    ]
    slot = next(reason for reason in mine.unmet if reason.code is ReasonCode.NO_SLOT)
    assert (slot.limit, slot.current) == (1, 1)


@pytest.mark.parametrize("kind", ["user", "service"])
def test_an_account_is_told_of_itself_only(house: House, kind: str) -> None:
    me, _ = house.account(kind), house.account(kind)
    task = house.task()
    why = house.broker.execute(ops.WhyTask(id=task.id), me)
    assert [each.account_id for each in why.accounts] == [me.account_id]
    assert why.claimable


def test_why_names_the_tasks_that_are_waited_for(house: House) -> None:
    house.account()
    parents = [house.task().id for _ in range(5)]
    child = house.task(depends_on=parents)
    first, second, third = sorted(parents)[:3]

    def said() -> str:
        [mine] = house.admin(ops.WhyTask(id=child.id)).accounts
        return next(each.message for each in mine.unmet if each.code is ReasonCode.NOT_READY)

    assert said().endswith(f"{first} (pending), {second} (pending), {third} (pending), 2 more")
    house.admin(ops.CancelTask(id=first))
    assert f"{first} (cancelled)" in said()


def test_why_counts_an_agent_while_it_works_or_was_seen_lately(house: House) -> None:
    laptop = house.account()
    first = house.task(required_capabilities=["gpu"])
    wanted = house.task(required_capabilities=["gpu"])

    def said() -> list[ReasonCode]:
        [mine] = house.admin(ops.WhyTask(id=wanted.id)).accounts
        return [each.code for each in mine.unmet]

    assert said() == [ReasonCode.MISSING_CAPABILITIES]
    claimed, lease = house.running(laptop, task_id=first.id, agent_id="one", capabilities=["gpu"])
    house.clock.advance(3600)
    assert said() == []
    house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    assert said() == [ReasonCode.MISSING_CAPABILITIES]
    house.claim(laptop, task_id=first.id, agent_id="one", capabilities=["gpu"])
    house.clock.advance(120)
    assert said() == []
    house.clock.advance(1)
    assert said() == [ReasonCode.MISSING_CAPABILITIES]


def test_agents_not_seen_for_a_week_are_forgotten(house: House) -> None:
    laptop = house.account()
    house.claim(laptop, agent_id="old")
    house.clock.advance(5 * 86400)
    house.claim(laptop, agent_id="new")
    house.clock.advance(3 * 86400)
    house.broker.reaper.sweep()
    [kept] = house.broker._store.read(lambda tx: tx.all(AGENTS)).result()
    assert kept.agent_id == "new"


def pool_reasons(house: House, task: Task) -> list[list[tuple[ReasonCode, str]]]:
    pools = house.admin(ops.WhyTask(id=task.id)).pools
    return [[(each.code, each.message) for each in pool.unmet] for pool in pools]


def test_why_asks_each_pool_that_works_there(house: House) -> None:
    service, user = house.account("service"), house.account()
    other = house.admin(ops.CreateWorkspace(name="other"))
    house.pool(service, name="elsewhere", workspace_id=other.id)
    mine = house.pool(user, name="mine", workspace_id=house.workspace.id)
    house.pool(service, capabilities=["gpu"])
    task = house.task(required_capabilities=["gpu"], runner_preference="service")
    [left, right] = house.admin(ops.WhyTask(id=task.id)).pools
    assert (left.name, left.runner) == ("mine", "local")
    assert [each.code for each in left.unmet] == ["wrong_route", "missing_capabilities"]
    assert left.unmet[1].message == "the pool's agents do not have all required capabilities"
    assert (right.unmet, right.launch) == ([], None)
    [seen] = house.broker.execute(ops.WhyTask(id=task.id), user).pools
    assert seen.pool_id == mine.id


def test_why_shows_what_was_started_for_the_task_and_what_fills_a_pool(house: House) -> None:
    service = house.account("service", max_concurrent_workers=2)
    pool = house.pool(service)
    first, second = house.task(), house.task()
    launch = house.launch(pool, first)
    [why] = house.admin(ops.WhyTask(id=first.id)).pools
    assert (why.unmet, why.launch) == ([], launch)
    [why] = house.admin(ops.WhyTask(id=second.id)).pools
    [full] = why.unmet
    assert (full.code, full.limit, full.current) == (ReasonCode.POOL_FULL, 1, 1)
    assert why.launch is None
    house.admin(ops.UpdatePool(id=pool.id, maximum=9))
    house.launch(pool)
    [slots] = house.admin(ops.WhyTask(id=second.id)).pools[0].unmet
    assert (slots.code, slots.limit, slots.current) == (ReasonCode.NO_SLOT, 2, 2)


def test_why_tells_how_a_pool_does(house: House) -> None:
    pool, task = house.pool(house.account("service")), house.task()
    assert pool_reasons(house, task) == [[]]
    house.admin(ops.UpdatePool(id=pool.id, enabled=False))
    assert pool_reasons(house, task) == [[(ReasonCode.POOL_DISABLED, "the pool is disabled")]]
    house.admin(ops.UpdatePool(id=pool.id, enabled=True))
    until = house.clock.now() + timedelta(minutes=5)
    trouble = {"last_error": "no such image", "retry_at": until, "halted": True}
    house.broker._store.write(lambda tx: tx.run(TROUBLE, of=pool.id, **trouble)).result()
    [[halted, waits]] = pool_reasons(house, task)
    assert halted == (
        ReasonCode.POOL_HALTED,
        "the pool met an error that trying again does not cure: no such image",
    )
    assert waits[0] is ReasonCode.POOL_WAITS
    assert waits[1].startswith("the pool's last launches took no work: no such image; the next")
    house.clock.advance(301)
    assert [code for code, _ in pool_reasons(house, task)[0]] == [ReasonCode.POOL_HALTED]
    changed = house.admin(ops.UpdatePool(id=pool.id))
    assert (changed.halted, changed.last_error, changed.retry_at) == (False, None, None)
    assert pool_reasons(house, task) == [[]]
