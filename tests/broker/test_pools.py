"""Pools: made and changed by an administrator, and by itself for an account that stands for a repository."""

from __future__ import annotations

from typing import Any

import pytest

from buildd import operations as ops
from buildd.broker import ADMIN
from buildd.errors import AlreadyExists, Invalid, NotConfigured, NotFound, WrongState
from buildd.events import EventType, Filter
from buildd.models import Pool
from buildd.states import LaunchVerb
from tests.broker.conftest import House


def pools(house: House) -> list[Pool]:
    return house.admin(ops.ListPools())[::-1]


def test_a_pool_is_made_read_changed_and_removed(house: House) -> None:
    service = house.account("service")
    pool = house.pool(service, capabilities=["gpu"], pass_env=["ANTHROPIC_API_KEY"], maximum=2)
    assert house.admin(ops.GetPool(id=pool.id)) == pool
    assert house.admin(ops.ListPools(account_id=service.account_id)) == [pool]
    assert house.admin(ops.ListPools(account_id="acc_other")) == []
    changed = house.admin(ops.UpdatePool(id=pool.id, maximum=5, enabled=False))
    assert (changed.maximum, changed.enabled, changed.capabilities) == (5, False, ["gpu"])
    assert house.admin(ops.DeletePool(id=pool.id)).deleted
    for asked in (ops.GetPool, ops.UpdatePool, ops.DeletePool, ops.CheckPool, ops.ReapPool):
        with pytest.raises(NotFound):
            house.admin(asked(id=pool.id))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"minimum": 2}, "minimum: is more than the maximum, 1"),
        ({"pass_env": ["BUILDD_ADMIN_KEY"]}, "passEnv: BUILDD_ADMIN_KEY is buildd's own"),
        ({"pass_env": ["buildd_secret"]}, "passEnv: buildd_secret is buildd's own"),
        ({"pass_env": ["A=B"]}, "passEnv: 'A=B' is no name of a variable"),
    ],
)
def test_what_a_pool_must_not_be_is_told_by_its_field(
    house: House, fields: dict[str, Any], says: str
) -> None:
    service = house.account("service")
    with pytest.raises(Invalid, match=says):
        house.pool(service, **fields)
    pool = house.pool(service)
    with pytest.raises(Invalid, match=says):
        house.admin(ops.UpdatePool(id=pool.id, **fields))


def test_a_name_is_taken_once(house: House) -> None:
    house.pool(house.account("service"))
    with pytest.raises(AlreadyExists):
        house.pool(house.account("user"))


def test_a_pool_with_an_open_launch_stays_where_it_is(house: House) -> None:
    pool = house.pool(house.account("service"))
    launch = house.launch(pool)
    assert house.admin(ops.GetPool(id=pool.id)).open_launches == 1
    with pytest.raises(WrongState, match="1 open launches: set `enabled` to false and wait"):
        house.admin(ops.DeletePool(id=pool.id))
    with pytest.raises(WrongState, match="1 open launches: set `enabled` to false and wait"):
        house.admin(ops.UpdatePool(id=pool.id, config={"somewhere": "else"}))
    house.admin(ops.UpdatePool(id=pool.id, config=pool.config, maximum=5))
    assert house.move(launch, LaunchVerb.FAIL, said="no such template")
    house.admin(ops.UpdatePool(id=pool.id, config={"somewhere": "else"}))
    house.admin(ops.DeletePool(id=pool.id))
    assert house.admin(ops.GetLaunch(id=launch.id)).detail == "no such template"


def test_launches_are_listed_by_what_is_asked(house: House) -> None:
    service = house.account("service")
    first, second = house.pool(service), house.pool(service, name="more")
    task = house.task()
    over, open_, idle = house.launch(first), house.launch(first, task), house.launch(second)
    assert house.move(over, LaunchVerb.FAIL)

    def listed(**asked: Any) -> list[str]:
        return [each.id for each in house.admin(ops.ListLaunches(**asked))]

    assert listed() == [idle.id, open_.id, over.id]
    assert listed(pool_id=first.id) == [open_.id, over.id]
    assert listed(task_id=task.id) == [open_.id]
    assert listed(open=True) == [idle.id, open_.id]
    assert listed(open=False) == [over.id]


def test_a_launch_tells_the_feed_each_step(house: House) -> None:
    wanted = Filter(types=frozenset({EventType.LAUNCH_UPDATED}))
    told = house.broker.subscribe(ADMIN, None, wanted, lambda: None).result()
    launch = house.launch(house.pool(house.account("service")), house.task())
    assert house.move(launch, LaunchVerb.ENSURE, external="7", at="https://x/7", within="r")
    assert not house.move(launch, LaunchVerb.FAIL)
    assert house.move(launch, LaunchVerb.RUN, said="it works")
    assert house.move(launch, LaunchVerb.END, code=3)
    seen = house.admin(ops.GetLaunch(id=launch.id))
    assert (seen.external_id, seen.url, seen.exit_code) == ("7", "https://x/7", 3)
    assert seen.detail == "it works"
    events = [notice.event for notice in told.drain()]
    while len(events) < 4:  # pytest's own patience ends it
        events += [notice.event for notice in told.drain()]
    steps = [(each.data["previousStatus"], each.data["status"]) for each in events]
    assert steps == [
        (None, "requested"),
        ("requested", "starting"),
        ("starting", "running"),
        ("running", "ended"),
    ]
    assert {(each.task_id, each.data["launchId"]) for each in events} == {
        (launch.task_id, launch.id)
    }


def test_an_embedded_broker_asks_no_platform(house: House) -> None:
    pool = house.pool(house.account("service"))
    for asked in (ops.CheckPool(id=pool.id), ops.ReapPool(id=pool.id, dry_run=True)):
        with pytest.raises(NotConfigured, match="runs no pools"):
            house.admin(asked)


def test_an_account_that_stands_for_a_repositorys_actions_has_one_pool(house: House) -> None:
    action = house.account("action", github_id="acme/shop", max_concurrent_workers=4)
    [pool] = pools(house)
    assert (pool.name, pool.runner, pool.maximum) == ("acme/shop", "github_actions", 4)
    assert pool.config == {"repository": "acme/shop", "event": "repository_dispatch"}
    assert pool.account_id == action.account_id
    house.admin(ops.UpdateAccount(id=pool.account_id, max_concurrent_workers=2))
    house.admin(ops.UpdateAccount(id=pool.account_id, github_id="acme/shop"))
    house.account("action", github_id="acme/shop")
    assert pools(house) == [pool]


def test_a_repository_that_is_named_later_or_anew_gets_its_pool(house: House) -> None:
    account = str(house.account("action").account_id)
    assert pools(house) == []
    house.admin(ops.UpdateAccount(id=account, github_id="acme/shop"))
    house.admin(ops.UpdateAccount(id=account, github_id="acme/bakery"))
    house.admin(ops.UpdateAccount(id=account, github_id=None))
    assert [(pool.name, pool.enabled) for pool in pools(house)] == [
        ("acme/shop", False),
        ("acme/bakery", False),
    ]
    house.admin(ops.UpdateAccount(id=account, github_id="acme/shop"))
    assert [pool.enabled for pool in pools(house)] == [True, False]


@pytest.mark.parametrize(
    ("kind", "name"), [("user", "acme/shop"), ("service", "acme/shop"), ("action", "acme")]
)
def test_no_other_account_gets_a_pool(house: House, kind: str, name: str) -> None:
    house.account(kind, github_id=name)
    assert pools(house) == []


def test_a_deleted_accounts_pools_start_nothing(house: House) -> None:
    account = house.account("action", github_id="acme/shop")
    house.pool(account)
    house.admin(ops.DeleteAccount(id=str(account.account_id)))
    assert [pool.enabled for pool in pools(house)] == [False, False]
    for pool in pools(house):
        with pytest.raises(WrongState, match="its account was deleted"):
            house.admin(ops.UpdatePool(id=pool.id, enabled=True))
