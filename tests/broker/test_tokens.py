"""Tokens that work once: an acquisition token takes the task of its launch, an enrolment token a key."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from buildd import operations as ops
from buildd.broker import Principal, PrincipalKind
from buildd.errors import Forbidden, NotAuthenticated, NotClaimable
from buildd.events import Filter
from buildd.ids import Secret, new_secret, secret_kind
from buildd.models import Enrolled, ReasonCode
from buildd.states import LaunchStatus, LaunchVerb
from tests.broker.conftest import House

RACERS = 16


def racing(work: Callable[[Any], Any], each: list[Any]) -> list[Any]:
    """What each got, or the class of the refusal."""

    def tried(one: Any) -> Any:
        try:
            return work(one)
        except (NotAuthenticated, NotClaimable) as refusal:
            return type(refusal)

    with ThreadPoolExecutor(RACERS) as threads:
        return list(threads.map(tried, each))


def test_the_agent_of_a_launch_takes_exactly_its_task(house: House) -> None:
    service = house.account("service")
    house.task("more urgent", priority=9)
    task = house.task()
    launch = house.launch(house.pool(service), task)
    agent = house.launched(launch)
    assert house.broker.execute(ops.GetMe(), agent).id == service.account_id
    claimed, _ = house.take(agent, max_tasks=9, agent_id="a", run_id="17")
    seen = house.admin(ops.GetLaunch(id=launch.id))
    assert (claimed.task_id, seen.worker_id) == (task.id, claimed.id)
    assert seen.external_id is None  # its agent does not run in Actions
    used = f"was used: launch {launch.id} has made worker {claimed.id}"
    with pytest.raises(NotClaimable, match=used):
        house.claim(agent)


def test_no_second_token_of_a_launch_takes_its_task_again(house: House) -> None:
    launch = house.launch(house.pool(house.account("service")), house.task())
    tokens = [house.launched(launch) for _ in range(2)]
    claimed, lease = house.take(tokens[0])
    house.broker.execute(ops.ReleaseTask(id=claimed.task_id, reason="drain"), lease)
    for token in tokens:
        with pytest.raises(NotClaimable, match="was used"):
            house.claim(token)
    assert house.claim(house.account("service")).workers


def test_racing_claims_by_the_tokens_of_a_launch_bring_one(house: House) -> None:
    account = house.account("service", max_concurrent_workers=RACERS)
    house.task()
    launch = house.launch(house.pool(account), house.task())
    agents = [house.launched(launch)] * (RACERS // 2)
    agents += [house.launched(launch) for _ in range(RACERS // 2)]
    claims = racing(lambda agent: house.claim(agent).workers, agents)
    assert sorted(map(str, claims))[:-1] == [str(NotClaimable)] * (RACERS - 1)
    [[claimed]] = [claim for claim in claims if claim is not NotClaimable]
    assert claimed.task_id == launch.task_id


@pytest.mark.parametrize("foreign", ["task_id", "workspace_id"])
def test_a_token_names_no_other_work(house: House, foreign: str) -> None:
    other = {"task_id": house.task().id, "workspace_id": "ws_other"}
    agent = house.launched(house.launch(house.pool(house.account("service")), house.task()))
    with pytest.raises(Forbidden, match="the task of its launch, and no other"):
        house.claim(agent, **{foreign: other[foreign]})


def test_a_task_that_somebody_else_has_is_told_as_that(house: House) -> None:
    launch = house.launch(house.pool(house.account("service")), house.task())
    house.take(house.account("user"))
    claim = house.claim(house.launched(launch))
    assert (claim.workers, claim.reason and claim.reason.code) == ([], ReasonCode.NOT_PENDING)


@pytest.mark.parametrize("kind", [Secret.ACQUIRE, Secret.ENROL])
def test_an_unknown_token_or_one_of_another_kind_opens_nothing(house: House, kind: Secret) -> None:
    with pytest.raises(NotAuthenticated, match="token is unknown"):
        house.broker.authenticate(new_secret(kind)).result()


def test_a_token_lives_for_fifteen_minutes(house: House) -> None:
    launch = house.launch(house.pool(house.account("service")), house.task())
    token = house.token(launch)
    agent = house.broker.authenticate(token).result()
    house.clock.advance(15 * 60 - 1)
    assert house.broker.authenticate(token).result() == agent
    house.clock.advance(1)
    with pytest.raises(NotAuthenticated, match="has expired"):
        house.broker.authenticate(token).result()
    with pytest.raises(NotAuthenticated, match="has expired"):
        house.claim(agent)


def test_a_launch_that_is_not_wanted_takes_no_work(house: House) -> None:
    task = house.task()
    launch = house.launch(house.pool(house.account("service")), task)
    agent = house.launched(launch)
    assert house.admin(ops.StopLaunch(id=launch.id)).status is LaunchStatus.STOPPING
    assert house.admin(ops.StopLaunch(id=launch.id)).stop_reason == "a person asked"
    with pytest.raises(NotClaimable, match="is stopping: a person asked"):
        house.claim(agent)
    assert house.move(launch, LaunchVerb.END, said="gone", code=0)
    with pytest.raises(NotClaimable, match="is ended"):
        house.claim(agent)
    with pytest.raises(NotAuthenticated, match=f"launch {launch.id} is ended"):
        house.launched(launch)
    assert house.see(task).status == "pending"


def test_what_was_launched_hears_no_events(house: House) -> None:
    pool = house.pool(house.account("service"))
    for launch in (house.launch(pool, house.task()), house.launch(pool)):
        with pytest.raises(Forbidden):
            house.broker.subscribe(house.launched(launch), None, Filter(), lambda: None).result()


def enrol(house: House, agent: Principal) -> Enrolled:
    return house.broker.execute(ops.Enrol(), agent)


def test_an_idle_agent_enrols_for_a_key_that_ends_with_its_launch(house: House) -> None:
    account = house.account("service")
    launch = house.launch(house.pool(account))
    token = house.token(launch)
    assert secret_kind(token) is Secret.ENROL
    machine = house.broker.authenticate(token).result()
    assert machine.kind is PrincipalKind.ENROL
    enrolled = enrol(house, machine)
    key = house.broker.authenticate(enrolled.api_key).result()
    assert (key.account_id, key.launch_id) == (account.account_id, launch.id)
    task = house.task()
    claimed, _ = house.take(key)
    seen = house.admin(ops.GetLaunch(id=launch.id))
    assert (seen.worker_id, seen.task_id, claimed.task_id) == (claimed.id, None, task.id)
    house.task()
    assert house.move(launch, LaunchVerb.STOP, reason="r")
    with pytest.raises(NotClaimable, match="is stopping: r"):
        house.claim(key, max_tasks=2)
    assert house.move(launch, LaunchVerb.END)
    house.broker._doors.forget(account.account_id)
    with pytest.raises(NotAuthenticated, match="revoked"):
        house.broker.authenticate(enrolled.api_key).result()


def test_racing_enrolments_by_one_token_bring_one_key(house: House) -> None:
    account = str(house.account().account_id)
    token = house.admin(ops.CreateEnrolment(account_id=account)).token
    machine = house.broker.authenticate(token).result()
    got = racing(lambda one: enrol(house, one).key_id, [machine] * RACERS)
    assert got.count(NotAuthenticated) == RACERS - 1


def test_the_tokens_of_a_launch_enrol_one_agent(house: House) -> None:
    launch = house.launch(house.pool(house.account("service")))
    first, second = house.launched(launch), house.launched(launch)
    enrol(house, first)
    with pytest.raises(NotAuthenticated, match="was used"):
        enrol(house, first)
    with pytest.raises(NotAuthenticated, match="has enrolled its agent"):
        enrol(house, second)


def test_a_launch_that_is_not_wanted_enrols_nobody(house: House) -> None:
    launch = house.launch(house.pool(house.account("service")))
    machine = house.launched(launch)
    house.admin(ops.StopLaunch(id=launch.id))
    with pytest.raises(NotAuthenticated, match="is over"):
        enrol(house, machine)


def test_a_deleted_accounts_tokens_open_nothing(house: House) -> None:
    account = str(house.account().account_id)
    token = house.admin(ops.CreateEnrolment(account_id=account, expires_in_seconds=60)).token
    house.admin(ops.DeleteAccount(id=account))
    with pytest.raises(NotAuthenticated, match="unknown"):
        house.broker.authenticate(token).result()


def test_tokens_are_forgotten_a_day_after_their_end(house: House) -> None:
    account = str(house.account().account_id)
    token = house.admin(ops.CreateEnrolment(account_id=account)).token
    house.clock.advance(23 * 3600)
    house.broker.reaper.sweep()
    with pytest.raises(NotAuthenticated, match="expired"):
        house.broker.authenticate(token).result()
    house.clock.advance(2 * 3600)
    house.broker.reaper.sweep()
    with pytest.raises(NotAuthenticated, match="unknown"):
        house.broker.authenticate(token).result()


def test_the_run_of_a_repository_is_its_launchs_agent_though_its_key_names_none(
    house: House,
) -> None:
    action = house.account("action")
    launch = house.launch(house.pool(action, runner="github_actions"), house.task())
    assert house.move(launch, LaunchVerb.ENSURE, external="since yesterday")
    claimed, _ = house.take(action, run_id="4711")
    seen = house.admin(ops.GetLaunch(id=launch.id))
    assert (seen.worker_id, seen.external_id) == (claimed.id, "4711")


def test_a_runs_number_stays(house: House) -> None:
    action = house.account("action")
    launch = house.launch(house.pool(action, runner="github_actions"), house.task())
    assert house.move(launch, LaunchVerb.ENSURE, external="1234")
    house.take(house.launched(launch), run_id="4711")
    assert house.admin(ops.GetLaunch(id=launch.id)).external_id == "1234"


def test_another_agent_of_the_account_is_not_taken_for_the_launchs(house: House) -> None:
    service = house.account("service")
    launch = house.launch(house.pool(service), house.task())
    house.take(service, run_id="4711")
    assert house.admin(ops.GetLaunch(id=launch.id)).worker_id is None
