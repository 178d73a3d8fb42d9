"""Requests that come twice, and schedules that come again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from buildd import operations as ops
from buildd.errors import Forbidden, Invalid, NotFound
from buildd.models import Schedule, Task
from tests.broker.conftest import House


def asked(house: House, key: str | None, title: str = "once") -> ops.CreateTask:
    return ops.CreateTask(workspace_id=house.workspace.id, title=title, idempotency_key=key)


def test_the_same_key_gives_the_same_task(house: House) -> None:
    first = house.admin(asked(house, "k"))
    house.admin(ops.CancelTask(id=first.id))
    assert house.admin(asked(house, "k")) == first
    assert len(house.admin(ops.ListTasks())) == 1


def test_a_key_with_another_request_is_refused(house: House) -> None:
    house.admin(asked(house, "k"))
    with pytest.raises(Invalid, match="Idempotency-Key"):
        house.admin(asked(house, "k", "another"))
    with pytest.raises(Invalid, match="Idempotency-Key"):
        house.admin(ops.CreateTasks(tasks=batch(house, "once").tasks, idempotency_key="k"))


def test_keys_are_each_principals_own_and_kept_for_a_day(house: House) -> None:
    laptop = house.account()
    first = house.admin(asked(house, "k"))
    assert house.broker.execute(asked(house, "k"), laptop).id != first.id
    house.clock.advance(24 * 3600 - 1)
    assert house.admin(asked(house, "k")).id == first.id
    house.clock.advance(2)
    assert house.admin(asked(house, "k")).id != first.id


def test_many_at_once_make_one(house: House) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: house.admin(asked(house, "k")), range(32)))
    assert len({task.id for task in made}) == 1
    assert len(house.admin(ops.ListTasks())) == 1


def test_a_refused_request_keeps_no_key(house: House) -> None:
    with pytest.raises(NotFound):
        house.admin(ops.CreateTask(workspace_id="ws_no", title="x", idempotency_key="k"))
    house.admin(asked(house, "k"))


def batch(house: House, *titles: str, **fields: object) -> ops.CreateTasks:
    new = [ops.BatchedTask(workspace_id=house.workspace.id, title=t, **fields) for t in titles]
    return ops.CreateTasks(tasks=new)


def test_a_batch_is_all_or_nothing(house: House) -> None:
    made = house.admin(batch(house, *(f"t{i}" for i in range(500))))
    assert [task.title for task in made] == [f"t{i}" for i in range(500)]
    bad = batch(house, "good", depends_on=["task_no"])
    with pytest.raises(Invalid, match=r"^tasks\.1\.dependsOn: task_no is not a task"):
        house.admin(ops.CreateTasks(tasks=[*batch(house, "ok").tasks, *bad.tasks]))
    assert len(house.admin(ops.ListTasks(limit=200))) == 200
    assert house.admin(ops.ListTasks(limit=1))[0].title == "t499"


@pytest.mark.parametrize("count", [0, 501])
def test_a_batch_has_a_size(house: House, count: int) -> None:
    with pytest.raises(ValueError, match="tasks"):
        ops.CreateTasks(tasks=[ops.BatchedTask(workspace_id="ws", title="t")] * count)


def test_a_batch_needs_the_grant_for_each_workspace(house: House) -> None:
    other = house.admin(ops.CreateWorkspace(name="other"))
    mixed = [
        ops.BatchedTask(workspace_id=each, title="t") for each in (house.workspace.id, other.id)
    ]
    with pytest.raises(NotFound):
        house.broker.execute(ops.CreateTasks(tasks=mixed), house.account())


def schedule(house: House, cron: str = "0 * * * *", **fields: object) -> Schedule:
    fields = {"task": {"title": "tidy up", "priority": 3}, **fields}
    return house.admin(
        ops.CreateSchedule(workspace_id=house.workspace.id, name="s", cron=cron, **fields)
    )


def tasks(house: House) -> list[Task]:
    return house.admin(ops.ListTasks())


def test_a_schedule_makes_its_task_at_its_time(house: House) -> None:
    made = schedule(house)
    assert made.next_run_at == datetime(2026, 1, 1, 13, tzinfo=UTC)
    house.broker.reaper.sweep()
    assert tasks(house) == []
    house.clock.advance(3600)
    house.broker.reaper.sweep()
    house.broker.reaper.sweep()
    [task] = tasks(house)
    assert (task.title, task.priority) == ("tidy up", 3)
    after = house.admin(ops.GetSchedule(id=made.id))
    assert (after.last_task_id, after.last_run_at) == (task.id, house.clock.now())
    assert after.next_run_at == datetime(2026, 1, 1, 14, tzinfo=UTC)


def test_missed_times_are_made_up_for_once(house: House) -> None:
    schedule(house)
    house.clock.advance(50 * 3600)
    house.broker.reaper.sweep()
    assert len(tasks(house)) == 1


def test_racing_reapers_fire_a_schedule_once(house: House) -> None:
    """Both have seen that it is due before either of them does anything."""
    schedule(house)
    house.clock.advance(3600)
    reaper, store = house.broker.reaper, house.broker._store
    acts = [act for _ in range(2) for act in store.read(reaper._look).result()]
    assert [store.write(reaper._in_context(act)).result() for act in acts] == [True, False]
    assert len(tasks(house)) == 1


def test_a_disabled_schedule_rests(house: House) -> None:
    made = schedule(house)
    off = house.admin(ops.UpdateSchedule(id=made.id, enabled=False))
    assert off.next_run_at is None
    house.clock.advance(7200)
    house.broker.reaper.sweep()
    assert tasks(house) == []
    on = house.admin(ops.UpdateSchedule(id=made.id, enabled=True))
    assert on.next_run_at == datetime(2026, 1, 1, 15, tzinfo=UTC)


def test_a_schedule_whose_task_cannot_be_made_any_more_stops(house: House) -> None:
    parent = house.task()
    made = schedule(house, task={"title": "t", "dependsOn": [parent.id]})
    house.admin(ops.CancelTask(id=parent.id))
    house.clock.advance(3600)
    house.broker.reaper.sweep()
    stopped = house.admin(ops.GetSchedule(id=made.id))
    assert (stopped.enabled, stopped.next_run_at, stopped.last_task_id) == (False, None, None)
    assert stopped.last_error == f"dependsOn: {parent.id} is cancelled: retry it first"
    on = house.admin(ops.UpdateSchedule(id=made.id, enabled=True))
    assert (on.enabled, on.last_error) == (True, None)
    house.admin(ops.RetryTask(id=parent.id))
    house.clock.advance(3600)
    house.broker.reaper.sweep()
    assert house.admin(ops.GetSchedule(id=made.id)).last_task_id


def test_a_schedules_tasks_cannot_share_the_name_of_one_external_thing(house: House) -> None:
    source = house.admin(
        ops.CreateSource(workspace_id=house.workspace.id, type="manual", name="inbox")
    )
    with pytest.raises(Invalid, match=r"task\.externalId"):
        schedule(house, task={"title": "t", "sourceId": source.id, "externalId": "7"})


def test_summer_time_is_the_zones_own(house: House) -> None:
    missing = schedule(house, "30 2 29 3 *", timezone="Europe/Berlin")
    assert missing.next_run_at == datetime(2026, 3, 29, 1, tzinfo=UTC)
    double = schedule(house, "30 2 * * *", timezone="Europe/Berlin")
    nights = []
    house.clock.advance(
        (datetime(2026, 10, 24, 23, tzinfo=UTC) - house.clock.now()).total_seconds()
    )
    for _ in range(3):
        double = house.admin(ops.UpdateSchedule(id=double.id, enabled=True))
        assert double.next_run_at is not None
        nights.append(double.next_run_at)
        house.clock.advance((double.next_run_at - house.clock.now()).total_seconds())
    assert nights == [
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
        datetime(2026, 10, 27, 1, 30, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cron": "every day"}, "cron"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"task": {}}, "task.title"),
        ({"task": {"title": "x", "titel": "y"}}, "task.titel"),
    ],
)
def test_a_wrong_schedule_names_the_field(
    house: House, fields: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        schedule(house, **fields)  # type: ignore[arg-type]
    assert [each["field"] for each in refused.value.errors] == [field]


def test_schedules_are_their_workspaces_own(house: House) -> None:
    made = schedule(house)
    reader = house.account()
    assert [each.id for each in house.broker.execute(ops.ListSchedules(), reader)] == [made.id]
    house.admin(
        ops.GrantWorkspace(
            account_id=str(reader.account_id), workspace_id=house.workspace.id, can_create=False
        )
    )
    with pytest.raises(Forbidden):
        house.broker.execute(ops.DeleteSchedule(id=made.id), reader)
    house.admin(ops.RevokeGrant(account_id=str(reader.account_id), workspace_id=house.workspace.id))
    for operation in (ops.GetSchedule(id=made.id), ops.DeleteSchedule(id=made.id)):
        with pytest.raises(NotFound):
            house.broker.execute(operation, reader)
    assert house.broker.execute(ops.ListSchedules(), reader) == []
    assert house.admin(ops.DeleteSchedule(id=made.id)).deleted
