"""When an agent may work, against another way of counting; and what it does when it may not."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildd.agent import Agent, AgentOptions, Completed, Handler, Session, availability
from buildd.agent.availability import Hours, both, on_power
from buildd.agent.function import FunctionExecutor
from buildd.cli._exits import run
from buildd.cli.agent import agent
from buildd.client import as_async
from buildd.errors import ConfigError
from buildd.states import TaskStatus
from tests.agent.office import Office
from tests.patience import PATIENCE

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONDAY = datetime(2026, 11, 23)  # noqa: DTZ001 - a time on the wall


@contextmanager
def zone(name: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


def at(moment: str) -> datetime:
    """A time on the wall of the machine."""
    return datetime.fromisoformat(moment).astimezone()


@st.composite
def windows(draw: st.DrawFn) -> tuple[str, set[int]]:
    """Hours as people write them, and the minutes of the week they mean, counted one by one."""
    first, last = draw(st.integers(0, 6)), draw(st.none() | st.integers(0, 6))
    start, end = draw(st.lists(st.integers(0, 1439), min_size=2, max_size=2, unique=True))
    form = draw(st.sampled_from(["days", "hours", "both"]))
    dash = draw(st.sampled_from(["-", " - ", "–"]))  # noqa: RUF001
    days = DAYS[first] if last is None else DAYS[first] + dash + DAYS[last].lower()
    hours = f"{start // 60}:{start % 60:02}{dash}{end // 60:02}:{end % 60:02}"
    if form == "days":
        start, end = 0, 1440
    begins, minutes = set(range(7)), set()
    if form != "hours":
        begins, day = {first}, first
        while last is not None and day != last:
            day = (day + 1) % 7
            begins.add(day)
    for day in begins:
        minute = start
        while minute != end:
            minutes.add((day * 1440 + minute) % 10080)
            minute += 1
            if minute == 1440 and end != 1440:
                minute, day = 0, day + 1  # noqa: PLW2901 - the night goes on
    text = {"days": days, "hours": hours, "both": f" {days}  {hours} "}[form]
    return text, minutes


@given(st.lists(windows(), min_size=1, max_size=3), st.integers(0, 10079))
def test_hours_are_the_minutes_they_name(drawn: list[tuple[str, set[int]]], minute: int) -> None:
    hours = Hours.parse(",".join(text for text, _ in drawn))
    minutes = set.union(*(each for _, each in drawn))
    with zone("UTC"):
        said = hours((MONDAY + timedelta(minutes=minute)).replace(tzinfo=UTC))
    assert (said is None) == (minute in minutes)
    if said is not None:
        opens = next(m for m in range(minute, minute + 10080) if m % 10080 in minutes) % 10080
        assert said == f"until {DAYS[opens // 1440]} {opens % 1440 // 60:02}:{opens % 60:02}"


@given(st.text(alphabet="MonTueSat 0123456789:-,–x²", max_size=25))  # noqa: RUF001
def test_other_text_is_refused_and_never_a_fault(text: str) -> None:
    with suppress(ConfigError):
        assert Hours.parse(text).spans


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Mun-Fri 19:00-08:00", "'Mun' in 'Mun-Fri' is not a day: they are Mon, Tue"),
        ("Mon-Fri 19:00-08:00, Satt", "'Satt' is not a day"),
        ("Mon 19-8", "'19' in '19-8' is not a time: write hours as 19:00-08:00"),
        ("Mon 19:00-25:00", "'25:00' in '19:00-25:00' is not a time"),
        ("Mon 19:60-20:00", "'19:60' in '19:60-20:00' is not a time"),
        ("Mon 19:00", "'19:00' is not hours: write them as 19:00-08:00"),
        ("Mon 19:00-", "'' in '19:00-' is not a time"),
        ("Mon 08:00-08:00", "'08:00-08:00' has no hours in it"),
        ("Mon 24:00-08:00", "'24:00-08:00' has no hours in it"),
        ("Mon Tue", "'Mon Tue' needs commas"),
        ("19:00-08:00 Mon", "'19:00-08:00 Mon' needs commas"),
        ("Mon,,Tue", "there are hours missing before or after a comma"),
        ("", "there are hours missing"),
    ],
)
def test_an_error_points_at_the_wrong_part(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as told:
        Hours.parse(text)
    assert told.value.message.startswith(said)


def test_the_hours_of_the_issue() -> None:
    hours = Hours.parse("Mon-Fri 19:00-08:00, Sat, Sun")
    with zone("Europe/Berlin"):
        assert hours(at("2026-11-23T18:59:59")) == "until Mon 19:00"
        assert hours(at("2026-11-23T19:00")) is None
        assert hours(at("2026-11-24T07:59")) is None
        assert hours(at("2026-11-24T08:00")) == "until Tue 19:00"
        assert hours(at("2026-11-28T12:00")) is None
        assert hours(at("2026-11-30T00:00")) == "until Mon 19:00"


def test_the_clock_on_the_wall_counts_when_it_is_put_on_or_back() -> None:
    hours = Hours.parse("02:30-04:00")
    with zone("Europe/Berlin"):
        spring = [datetime(2026, 3, 29, 0, 59, tzinfo=UTC), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)]
        assert [hours(moment) for moment in spring] == ["until Sun 02:30", None]
        autumn = datetime(2026, 10, 25, 0, 15, tzinfo=UTC)
        quarters = [hours(autumn + timedelta(minutes=15 * each)) for each in range(6)]
        # 2:15, 2:30, 2:45, and once more 2:00, 2:15, 2:30.
        assert [each is None for each in quarters] == [False, True, True, False, False, True]


def test_a_machine_that_travels_keeps_local_hours() -> None:
    hours, moment = Hours.parse("19:00-23:00"), datetime(2026, 11, 23, 19, 30, tzinfo=UTC)
    with zone("UTC"):
        assert hours(moment) is None
        os.environ["TZ"] = "America/New_York"
        assert hours(moment) == "until Mon 19:00"


@pytest.mark.skipif(not psutil.LINUX, reason="the battery's files are those of Linux")
@pytest.mark.parametrize(
    ("status", "said"), [("Discharging", "until it is on power again"), ("Charging", None)]
)
def test_a_battery_in_use_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, said: str | None
) -> None:
    from psutil import _pslinux

    monkeypatch.setattr(_pslinux, "POWER_SUPPLY_PATH", str(tmp_path))
    now = datetime.now(UTC)
    assert on_power(now) is None
    battery = tmp_path / "BAT0"
    battery.mkdir()
    files = {"energy_now": "50", "energy_full": "100", "power_now": "10", "status": status}
    for name, value in files.items():
        (battery / name).write_text(f"{value}\n")
    assert on_power(now) == said
    assert both(on_power, lambda _: "until Mon 19:00")(now) == (said or "until Mon 19:00")
    monkeypatch.setattr(_pslinux, "POWER_SUPPLY_PATH", str(tmp_path / "nothing"))
    assert on_power(now) is None


class Doorkeeper:
    """An availability that a test decides about."""

    def __init__(self, why: str | None) -> None:
        self.why = why

    def __call__(self, now: datetime) -> str | None:
        assert now.tzinfo is not None
        return self.why


@asynccontextmanager
async def at_work(
    office: Office, keeper: Doorkeeper, handle: Handler, drain_timeout: float = 0.1
) -> AsyncIterator[None]:
    options = AgentOptions(state_dir=office.state, availability=keeper, drain_timeout=drain_timeout)
    async with as_async(office.account) as client, anyio.create_task_group() as group:
        agent = Agent(client, FunctionExecutor(handle), options)
        group.start_soon(agent.run)
        yield
        agent.drain()


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(PATIENCE):
        while not await anyio.to_thread.run_sync(condition):  # noqa: ASYNC110 - it is elsewhere
            await anyio.sleep(0.02)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "LOOK_SECONDS", 0.02)


@pytest.mark.anyio
@pytest.mark.usefixtures("_impatient")
async def test_outside_of_its_hours_an_agent_takes_nothing(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "buildd")
    task, keeper = office.task(), Doorkeeper("until Mon 19:00")

    async def handle(_: Session) -> None:
        return None

    async with at_work(office, keeper, handle):
        await until(lambda: "idle until Mon 19:00" in caplog.messages)
        keeper.why = "until it is on power again"
        await until(lambda: "idle until it is on power again" in caplog.messages)
        assert office.read(task).status is TaskStatus.PENDING
        keeper.why = None
        await until(lambda: office.read(task).status is TaskStatus.COMPLETED)
        keeper.why = "until Tue 19:00"
        # A claim was waiting at the server; it is not there any more to take the next task.
        await until(lambda: "idle until Tue 19:00" in caplog.messages)
        later = office.task()
        assert len(office.account.workers.claim(task_id=later.id).workers) == 1
    assert [line for line in caplog.messages if "idle" in line] == [
        "idle until Mon 19:00",
        "idle until it is on power again",
        "no longer idle",
        "idle until Tue 19:00",
    ]


@pytest.mark.anyio
@pytest.mark.usefixtures("_impatient")
async def test_what_runs_when_the_hours_end_is_handed_back_and_done_later(office: Office) -> None:
    task, keeper, begun = office.task(), Doorkeeper(None), anyio.Event()

    async def handle(session: Session) -> Completed:
        if not begun.is_set():
            (session.workdir / "half.txt").write_text("half\n")
            begun.set()
            await anyio.sleep_forever()
        return Completed({"attempt": session.task.attempt})

    async with at_work(office, keeper, handle):
        await begun.wait()
        keeper.why = "until Mon 19:00"
        await until(lambda: office.read(task).status is TaskStatus.PENDING)
        assert office.worker(task).error_code == "released"
        keeper.why = None
        await until(lambda: office.read(task).status is TaskStatus.COMPLETED)
        assert (office.read(task).result or {})["attempt"] == 1


@pytest.mark.anyio
@pytest.mark.usefixtures("_impatient")
async def test_what_runs_when_the_hours_begin_again_in_time_goes_on(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "buildd")
    task, keeper, begun, go = office.task(), Doorkeeper(None), anyio.Event(), anyio.Event()

    async def handle(_: Session) -> None:
        begun.set()
        await go.wait()

    async with at_work(office, keeper, handle, drain_timeout=30):
        await begun.wait()
        keeper.why = "until it is on power again"
        await until(lambda: "1 running have 30 s to finish" in caplog.messages)
        keeper.why = None
        await until(lambda: "no longer idle" in caplog.messages)
        go.set()
        await until(lambda: office.read(task).status is TaskStatus.COMPLETED)
        assert len(office.owner.workers.list(task_id=task.id)) == 1


def test_wrong_hours_on_the_command_line_are_told_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The agent has the log for itself in its process, and here that is the next test's too.
    monkeypatch.setattr(logging.getLogger("buildd"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("buildd"), "handlers", [])
    assert run(agent, ["--active", "Mon-Fry 19:00-08:00"], "buildd-agent") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "Invalid value for '--active': 'Fry' in 'Mon-Fry' is not a day" in line
