from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from buildd.errors import (
    ConfigError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
    Unreachable,
)
from buildd.roles import ExternalRef, LaunchOrder, LaunchState, Observation
from buildd.routing import AccountType
from buildd_runners.coder import launches, sight
from buildd_runners.coder.answers import Build
from buildd_runners.coder.runner import CoderRunner
from buildd_runners.coder.settings import OnStop, Settings
from tests.far_end import Answer
from tests.runners.coder_workspace import Workspace
from tests.runners.coder_world import runner_of, settings
from tests.runners.fake_coder import BROKEN, TOKEN, Coder, refuse

pytestmark = pytest.mark.anyio

KEY = "buildd_acquire_a_key_that_nobody_else_may_see"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def coder() -> Iterator[Coder]:
    with Coder() as coder:
        yield coder


def order(number: int = 1) -> LaunchOrder:
    return LaunchOrder(f"lch_{number}", "https://buildd.example.com", KEY, "ws_1")


async def until(runner: CoderRunner, ref: ExternalRef, *states: LaunchState) -> Observation:
    while (seen := await runner.observe(ref)).state not in states:
        pass
    return seen


def test_it_serves_people(coder: Coder) -> None:
    assert runner_of(coder).serves == {AccountType.USER}


@pytest.mark.parametrize("prefix", ["bd", "a", "buildd7"])
@pytest.mark.parametrize("order_id", ["lch_1", "x" * 300, "lch/é", "LCH_1"])
def test_a_name_is_one_that_coder_takes(order_id: str, prefix: str) -> None:
    name = launches.name_of(order_id, prefix)
    assert re.fullmatch("[a-z0-9]+-[a-z0-9]+", name)
    assert len(name) <= 32
    assert name == launches.name_of(order_id, prefix)
    assert name != launches.name_of(f"{order_id}0", prefix)


@pytest.mark.parametrize("created", [200, 201])
async def test_the_workspace_is_given_the_launch(coder: Coder, created: int) -> None:
    coder.rules.created = created
    coder.rules.parameters["region"] = False
    runner = runner_of(coder, parameters={"region": "eu"})
    ref = await runner.ensure(order())
    [workspace] = coder.of("lch_1")
    assert workspace.parameters == {
        "buildd_server": "https://buildd.example.com",
        "buildd_key": KEY,
        "buildd_launch": "lch_1",
        "buildd_arguments": '["--max-tasks=1", "--workspace=ws_1"]',
        "region": "eu",
    }
    assert ref.external_id == workspace.id
    assert ref.url == f"{coder.url}/@buildd/{workspace.name}"


async def test_a_workspace_of_somebody_else_with_the_same_name_is_left_alone(coder: Coder) -> None:
    theirs = Workspace(launches.name_of("lch_1", "bd"), {"buildd_launch": "lch_2"})
    coder.workspaces[theirs.id] = theirs
    with pytest.raises(ConfigError, match="is not of this launch"):
        await runner_of(coder).ensure(order())
    assert await runner_of(coder).list_owned() == []


AGENTS = [
    ("connecting", "created", LaunchState.PENDING),
    ("connected", "created", LaunchState.PENDING),
    ("connected", "starting", LaunchState.PENDING),
    ("connected", "start_timeout", LaunchState.PENDING),
    ("connected", "ready", LaunchState.RUNNING),
    ("connected", "start_error", LaunchState.EXITED),
    ("connected", "shutting_down", LaunchState.RUNNING),
    ("connected", "shutdown_timeout", LaunchState.RUNNING),
    ("connected", "shutdown_error", LaunchState.RUNNING),
    ("connected", "off", LaunchState.EXITED),
    ("disconnected", "off", LaunchState.EXITED),
    ("disconnected", "ready", LaunchState.UNKNOWN),
    ("disconnected", "starting", LaunchState.UNKNOWN),
    ("timeout", "created", LaunchState.UNKNOWN),
    ("connected", "a word of tomorrow", LaunchState.UNKNOWN),
    ("a word of tomorrow", "ready", LaunchState.UNKNOWN),
]


@pytest.mark.parametrize(("status", "lifecycle", "state"), AGENTS)
def test_what_an_agent_of_coder_tells(status: str, lifecycle: str, state: LaunchState) -> None:
    assert sight.of(build("start", "running", [(status, lifecycle)])).state is state


BUILDS = [
    ("start", "pending", LaunchState.PENDING),
    ("start", "starting", LaunchState.PENDING),
    ("start", "canceling", LaunchState.PENDING),
    ("start", "canceled", LaunchState.EXITED),
    ("start", "failed", LaunchState.EXITED),
    ("start", "running", LaunchState.EXITED),
    ("stop", "pending", LaunchState.RUNNING),
    ("stop", "stopping", LaunchState.RUNNING),
    ("stop", "canceling", LaunchState.RUNNING),
    ("stop", "canceled", LaunchState.UNKNOWN),
    ("stop", "failed", LaunchState.UNKNOWN),
    ("stop", "stopped", LaunchState.EXITED),
    ("delete", "deleting", LaunchState.RUNNING),
    ("delete", "failed", LaunchState.UNKNOWN),
    ("delete", "deleted", LaunchState.GONE),
    ("start", "a word of tomorrow", LaunchState.UNKNOWN),
]


@pytest.mark.parametrize(("transition", "status", "state"), BUILDS)
def test_what_a_build_without_agents_tells(
    transition: str, status: str, state: LaunchState
) -> None:
    assert sight.of(build(transition, status, [])).state is state


def test_of_several_agents_the_worst_speaks() -> None:
    ready = ("connected", "ready")
    two = [ready, ("disconnected", "ready")]
    assert sight.of(build("start", "running", two)).state is LaunchState.UNKNOWN
    assert sight.of(build("start", "running", [ready, ready])).state is LaunchState.RUNNING


def build(transition: str, status: str, agents: list[tuple[str, str]]) -> Build:
    listed = [{"status": word, "lifecycle_state": life} for word, life in agents]
    more = {"job": {}, "resources": [{"agents": listed}]}
    return Build.model_validate({"id": "1", "transition": transition, "status": status, **more})


async def test_a_build_that_fails_tells_how_its_log_ends(coder: Coder) -> None:
    lines = [*(f"line {number}" for number in range(20)), "\x1b[31mno such image", f"key {KEY}"]
    coder.failure = "terraform apply: exit status 1", "", lines
    runner = runner_of(coder)
    ref = await runner.ensure(order())
    seen = await until(runner, ref, LaunchState.EXITED)
    assert "exit status 1" in seen.detail
    assert "no such image" in seen.detail
    assert "line 3" not in seen.detail
    assert seen.detail.isprintable()
    with pytest.raises(ConfigError, match="no such image") as failed:
        await runner.ensure(order())
    assert KEY not in failed.value.message
    assert coder.of("lch_1")[0].builds == 1


async def test_what_quota_stopped_is_started_again(coder: Coder) -> None:
    coder.failure = "quota", "INSUFFICIENT_QUOTA", []
    runner = runner_of(coder)
    ref = await runner.ensure(order())
    await until(runner, ref, LaunchState.EXITED)
    coder.failure = None
    assert await runner.ensure(order()) == ref
    await until(runner, ref, LaunchState.RUNNING)
    assert coder.of("lch_1")[0].parameters["buildd_key"] == KEY


async def test_what_cannot_be_ended_is_told_with_its_log(coder: Coder) -> None:
    runner = runner_of(coder)
    ref = await runner.ensure(order())
    await until(runner, ref, LaunchState.RUNNING)
    coder.failure = "exit status 1", "", ["volume is in use"]
    with pytest.raises(
        Unavailable, match=r"could not be ended: exit status 1 · .*volume is in use"
    ):
        await runner.stop(ref, 0)
    assert (await runner.observe(ref)).state is LaunchState.UNKNOWN
    assert await runner.list_owned() == [ref]
    coder.failure = None
    await runner.stop(ref, 0)
    assert (await runner.observe(ref)).state is LaunchState.GONE


@pytest.mark.parametrize("may_cancel", [True, False])
async def test_a_start_that_is_under_way_is_ended_too(coder: Coder, may_cancel: bool) -> None:
    coder.rules.may_cancel = may_cancel
    runner = runner_of(coder)
    ref = await runner.ensure(order())
    await runner.observe(ref)
    await runner.stop(ref, 30)
    assert (await runner.observe(ref)).state is LaunchState.GONE


async def test_a_workspace_that_stays_is_not_listed_once_it_is_stopped(coder: Coder) -> None:
    runner = runner_of(coder, on_stop=OnStop.STOP)
    ref = await runner.ensure(order())
    await until(runner, ref, LaunchState.RUNNING)
    await runner.stop(ref, 30)
    assert (await runner.observe(ref)).state is LaunchState.EXITED
    assert await runner.list_owned() == []
    # Where it should have been deleted, one that Coder has stopped is still to be dealt with.
    assert await runner_of(coder).list_owned() == [ref]


async def test_a_long_list_is_read_to_its_end(coder: Coder) -> None:
    coder.rules.page = 2
    runner = runner_of(coder)
    refs = [await runner.ensure(order(number)) for number in range(5)]
    assert await runner.list_owned() == refs


HOUR = 3600.0
EXTENSIONS = [
    # hours that it lives, hours at most, hours wanted, and hours that it then has
    (1.0, None, 3.0, 3.0),
    (1.0, None, 0.5, 1.0),
    (0.5, None, 0.51, 31 / 60),
    (1.0, 2.0, 3.0, 2.0),
    (2.0, 2.0, 3.0, 2.0),
    (0.2, 0.4, 3.0, 0.2),
    (None, None, 3.0, None),
]


@pytest.mark.parametrize(("ttl", "most", "wanted", "then"), EXTENSIONS)
async def test_a_deadline_is_moved_as_far_as_it_goes(
    coder: Coder, ttl: float | None, most: float | None, wanted: float, then: float | None
) -> None:
    coder.rules.ttl = timedelta(hours=ttl) if ttl else None
    coder.rules.longest = timedelta(hours=most) if most else None
    runner = runner_of(coder)
    ref = await runner.ensure(order())
    await until(runner, ref, LaunchState.RUNNING)
    await runner.extend(ref, wanted * HOUR)
    expected = coder.now + timedelta(hours=then) if then else None
    assert coder.of("lch_1")[0].deadline == expected


TELLING = [
    (401, {"message": "You are signed out"}, "CODER_SESSION_TOKEN"),
    (403, {"message": "Forbidden."}, "Forbidden"),
    (429, {"message": "limit of requests"}, "limit of requests"),
    (500, {"message": "Internal error"}, "500"),
    (404, b"404 page not found", "something in front of it answered 404"),
    (302, b"sign in here", "something in front of it answered 302"),
    (200, b"<html>sign in here</html>", "something else"),
]


@pytest.mark.parametrize(("status", "body", "said"), TELLING)
async def test_what_is_no_answer_about_a_workspace_says_nothing_about_it(
    coder: Coder, status: int, body: object, said: str
) -> None:
    runner = runner_of(coder)
    ref = await runner.ensure(order())
    coder.before = lambda asked: Answer(status, body)
    seen = await runner.observe(ref)
    assert seen.state is LaunchState.UNKNOWN
    assert said in seen.detail


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refuse(500, "Internal error"), OutcomeUnknown),
        (BROKEN, OutcomeUnknown),
        (refuse(429, "Slow down"), RateLimited),
        (refuse(404, "Resource not found"), NotFound),
        (refuse(400, "Bad", buildd_key=f"{KEY} is no key"), ConfigError),
    ],
)
async def test_a_change_that_is_refused_is_told_as_what_it_is(
    coder: Coder, answer: Answer, kind: type[Exception]
) -> None:
    coder.before = lambda asked: answer if asked.method == "POST" else None
    with pytest.raises(kind) as told:
        await runner_of(coder).ensure(order())
    assert KEY not in str(told.value)
    assert TOKEN not in str(told.value)


async def test_nobody_at_the_address_is_unknown_too() -> None:
    with Coder() as coder:
        runner = runner_of(coder)
        ref = await runner.ensure(order())
    seen = await runner.observe(ref)
    assert seen.state is LaunchState.UNKNOWN
    assert f"Coder does not answer at {coder.url} (" in seen.detail
    with pytest.raises(Unreachable, match="Coder does not answer"):
        await runner.check()


async def test_a_sound_set_up_passes(coder: Coder) -> None:
    await runner_of(coder).check()


async def test_every_fault_of_a_set_up_has_its_line(coder: Coder) -> None:
    async def told(**more: Any) -> str:
        with pytest.raises(ConfigError) as wrong:
            await CoderRunner(Settings(**{**vars(settings(coder)), **more})).check()
        return wrong.value.message

    assert "CODER_SESSION_TOKEN" in await told(token="nobody's")  # noqa: S106 - opens nothing
    assert "template: the token finds no 'none' in" in await told(template="none")
    assert "the organization 'acme'" in await told(organization="acme")
    assert "owner: Coder knows no user 'bob'" in await told(owner="bob")
    assert "has no parameter region" in await told(parameters={"region": "eu"})
    coder.rules.may_create = False
    assert "may not make workspaces for buildd" in await told()
    coder.rules.parameters["buildd_key"] = False
    assert "buildd_key must be ephemeral" in await told()
    del coder.rules.parameters["buildd_launch"]
    assert "has no parameter buildd_launch" in await told()


SOUND = {"url": "https://coder.example.com/", "template": "buildd"}


def test_a_configuration_is_read() -> None:
    more: dict[str, Any] = {
        "parameters": {"region": "eu"},
        "on_stop": "stop",
        "owner": "bob",
        "prefix": "ci",
    }
    read = Settings.from_config({**SOUND, **more}, {"CODER_SESSION_TOKEN": TOKEN})
    assert read == Settings(
        "https://coder.example.com",
        TOKEN,
        "buildd",
        {"region": "eu"},
        "default",
        "bob",
        OnStop.STOP,
        "ci",
    )
    assert TOKEN not in repr(read)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": None}, "url: "),
        ({"url": "coder.example.com"}, "url must look like"),
        ({"url": "http://coder.example.com"}, "url must look like"),
        ({"url": "https://me:pw@coder.example.com"}, "url must look like"),
        ({"template": ""}, "template: "),
        ({"template": "../users/me"}, "template: "),
        ({"owner": "a/b"}, "owner: "),
        ({"organization": 3}, "organization: "),
        ({"parameters": ["region"]}, "parameters must"),
        ({"parameters": {"region": 3}}, "parameters must"),
        ({"parameters": {"buildd_key": "x"}}, "parameters: buildd_key"),
        ({"on_stop": "pause"}, "on_stop must"),
        ({"prefix": "too-long-for-it"}, "prefix must"),
        ({"token": "x"}, "token is no setting"),
    ],
)
def test_a_wrong_configuration_names_its_field(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        Settings.from_config({**SOUND, **wrong}, {"CODER_SESSION_TOKEN": TOKEN})


def test_without_a_token_it_says_which() -> None:
    with pytest.raises(ConfigError, match="CODER_SESSION_TOKEN is not set"):
        Settings.from_config(SOUND, {})
