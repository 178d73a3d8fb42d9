"""Money in whole micro-dollars, lease times that agree, routing as a table, a branch's name."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildd.broker.claims import branch_of
from buildd.budget import estimate, rounded_up, to_dollars, to_micro
from buildd.errors import ConfigError
from buildd.lease import JITTER, LeaseTimes
from buildd.routing import AccountType, RunnerPreference, capable, prefers


@given(st.integers(0, 10**15))
def test_micro_dollars_survive_the_way_there_and_back(micro: int) -> None:
    assert to_micro(to_dollars(micro)) == micro
    assert to_micro(Decimal(str(float(to_dollars(micro))))) == micro


@given(st.decimals(0, 10**6, places=9))
def test_what_is_rounded_up_is_whole_and_never_less(dollars: Decimal) -> None:
    rounded = rounded_up(dollars)
    assert dollars <= rounded < dollars + to_dollars(1)
    assert rounded == to_dollars(to_micro(rounded))


def test_the_estimate_is_the_tasks_limit_then_the_accounts_then_nothing() -> None:
    assert estimate(Decimal(0), Decimal(5)) == 0
    assert estimate(None, Decimal(5)) == 5
    assert estimate(None, None) == 0


@pytest.mark.parametrize("ttl", [1, 2, 60, 3600])
def test_two_late_heartbeats_fit_before_the_fence_and_the_fence_before_the_end(ttl: float) -> None:
    times = LeaseTimes(ttl)
    assert 2 * times.heartbeat * (1 + JITTER) < times.fence < times.ttl
    assert times.reap < times.heartbeat


@pytest.mark.parametrize("ttl", [0, -1, 0.5, float("nan")])
def test_a_lease_too_short_is_refused(ttl: float) -> None:
    with pytest.raises(ConfigError):
        LeaseTimes(ttl)


@pytest.mark.parametrize("account", AccountType)
def test_the_routing_table_of_the_readme(account: AccountType) -> None:
    taken = {each.value for each in RunnerPreference if prefers(each, account)}
    assert taken == {"any", account.value}


def test_an_agent_needs_every_required_capability() -> None:
    assert capable([], [])
    assert capable(["gpu"], ["gpu", "linux"])
    assert not capable(["gpu"], [])


@given(st.text(max_size=500))
def test_a_branch_takes_only_tame_characters_from_a_title(title: str) -> None:
    branch = branch_of("task_1", title, 3)
    assert branch.startswith("buildd/task_1-")
    assert branch.endswith("-3")
    assert set(branch) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_/")
    assert "--" not in branch
