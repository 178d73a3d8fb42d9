"""The machines as tables: the sets derived from them hold what they say."""

from __future__ import annotations

from enum import StrEnum

import pytest

from buildd.states import (
    CLOSED,
    DELIVERY,
    DONE_WITH,
    ENDED,
    HOLDING,
    LAUNCH,
    LIVE,
    OPEN_DELIVERY,
    OPEN_LAUNCH,
    OVER,
    TASK,
    WANTED,
    WORKER,
    DeliveryStatus,
    DeliveryVerb,
    LaunchStatus,
    LaunchVerb,
    Machine,
    TaskStatus,
    TaskVerb,
    WorkerStatus,
    WorkerVerb,
)

MACHINES = [WORKER, TASK, LAUNCH, DELIVERY]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_each_verb_has_exactly_one_step(machine: Machine[StrEnum, StrEnum]) -> None:
    verbs = [step.verb for step in machine.steps]
    assert sorted(verbs) == sorted(type(verbs[0]))


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_status_can_be_reached(machine: Machine[StrEnum, StrEnum]) -> None:
    reached = {machine.initial}
    for _ in machine.statuses:
        reached |= {step.target for step in machine.steps if step.sources & reached}
    assert reached == set(machine.statuses)


def test_nothing_leaves_a_workers_end() -> None:
    assert not any(step.sources & ENDED for step in WORKER.steps)


def test_retry_is_the_only_way_back_and_never_from_completed() -> None:
    leaving = {step.verb for step in TASK.steps if step.sources & CLOSED}
    assert leaving == {TaskVerb.RETRY}
    assert TaskStatus.COMPLETED not in TASK.step(TaskVerb.RETRY).sources


def test_a_workers_statuses_are_partitioned() -> None:
    assert set(WorkerStatus) == HOLDING | ENDED
    assert not HOLDING & ENDED
    assert {WorkerStatus.PAUSED} == HOLDING - LIVE


def test_only_resume_leads_out_of_a_pause_without_an_end() -> None:
    out = {step.verb for step in WORKER.steps if WorkerStatus.PAUSED in step.sources}
    assert {v for v in out if WORKER.step(v).target not in ENDED} == {WorkerVerb.RESUME}


def test_a_launchs_statuses_are_partitioned_and_nothing_leaves_its_end() -> None:
    assert set(LaunchStatus) == OPEN_LAUNCH | OVER
    assert not OPEN_LAUNCH & OVER
    assert {LaunchStatus.STOPPING} == OPEN_LAUNCH - WANTED
    assert not any(step.sources & OVER for step in LAUNCH.steps)


def test_what_a_platform_may_have_never_counts_as_not_come_about() -> None:
    assert LAUNCH.step(LaunchVerb.FAIL).sources == {LaunchStatus.REQUESTED}


def test_a_deliverys_statuses_are_partitioned_and_only_redelivery_leaves_its_end() -> None:
    assert set(DeliveryStatus) == OPEN_DELIVERY | DONE_WITH
    assert not OPEN_DELIVERY & DONE_WITH
    leaving = {step.verb for step in DELIVERY.steps if step.sources & DONE_WITH}
    assert leaving == {DeliveryVerb.REDELIVER}
