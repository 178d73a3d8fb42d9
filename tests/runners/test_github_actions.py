"""The `github_actions` runner: the suite of all runners, and what is GitHub's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from buildd.errors import ConfigError, ForgeRefused, OutcomeUnknown, Unavailable
from buildd.roles import ExternalRef, LaunchOrder, LaunchState
from buildd.routing import AccountType
from buildd.testing.runners import RunnerSuite, Trouble
from buildd_runners.github import actions, credentials
from buildd_runners.github.actions import ActionsRunner
from tests.far_end import Answer, Asked
from tests.github.far_end import APP, REPOSITORY_ID
from tests.runners.actions_world import WORKFLOW, ActionsWorld

pytestmark = pytest.mark.anyio

KEY = "buildd_a_key_that_nobody_else_may_see"
ORDER = LaunchOrder("lch_1", "http://127.0.0.1:9", KEY, workspace_id="ws_1", task_id="task_1")

SEED = """\
name: buildd worker
on:
  repository_dispatch:
    types: [buildd-task]
  workflow_dispatch:
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "_PAUSES", (0, 0.01, 0.01))
    monkeypatch.setattr(actions, "_POLL", 0.01)
    monkeypatch.setattr(credentials, "_TIMEOUT", 1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ActionsWorld]:
    with ActionsWorld(tmp_path / "remotes") as world:
        yield world


class TestByWorkflowDispatch(RunnerSuite):
    """GitHub says which run it made."""


class TestByRepositoryDispatch(RunnerSuite):
    """GitHub says nothing, and the run is found by its name."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[ActionsWorld]:
        with ActionsWorld(tmp_path / "remotes", "repository_dispatch") as world:
            yield world


def sent(world: ActionsWorld) -> list[Asked]:
    return [asked for asked in world.github.asked if asked.path.endswith("/dispatches")]


@pytest.fixture
def runner(world: ActionsWorld) -> ActionsRunner:
    return world.runner()


class Hands:
    """A clock that is set by hand."""

    time = datetime(2026, 11, 22, 21, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


async def test_a_run_is_told_its_name_and_task_and_nothing_secret(
    world: ActionsWorld, runner: ActionsRunner
) -> None:
    ref = await runner.ensure(ORDER)
    assert sent(world)[0].body == {
        "ref": "main",
        "inputs": {"launch": "buildd/lch_1", "task_id": "task_1"},
        "return_run_details": True,
    }
    [run] = world.actions.runs.values()
    assert (ref.external_id, run.title) == (str(run.id), "buildd/lch_1")
    assert ref.url == f"{world.github.url}/acme/shop/actions/runs/{run.id}"
    assert runner.serves == {AccountType.ACTION}


async def test_an_event_is_the_seeds(world: ActionsWorld) -> None:
    world.config |= {"event": "repository_dispatch", "inputs": {"size": "large"}}
    await world.runner().ensure(ORDER)
    payload = {"size": "large", "launch": "buildd/lch_1", "task_id": "task_1"}
    [asked] = sent(world)
    assert asked.path == "/repos/acme/shop/dispatches"
    assert asked.body == {"event_type": "buildd-task", "client_payload": payload}


async def test_ref_mark_and_inputs_are_taken(world: ActionsWorld) -> None:
    world.actions.text = world.actions.text.replace("      launch:", "      size:\n      launch:")
    world.actions.branches = ("main", "next")
    world.config |= {"ref": "next", "mark": "staging", "inputs": {"size": "large"}}
    runner = world.runner()
    await runner.check()
    ref = await runner.ensure(replace(ORDER, task_id=None))
    assert sent(world)[0].body["ref"] == "next"
    assert sent(world)[0].body["inputs"] == {"launch": "staging/lch_1", "size": "large"}
    assert await runner.list_owned() == [ref]


async def test_a_server_that_does_not_tell_the_run_is_fine(
    world: ActionsWorld, runner: ActionsRunner
) -> None:
    world.actions.run_details = False
    world.actions.lag = 2
    ref = await runner.ensure(ORDER)
    assert ref.external_id == str(*world.actions.runs)


async def test_a_run_that_is_listed_late_is_found_before_another_is_asked_for(
    world: ActionsWorld, runner: ActionsRunner
) -> None:
    world.actions.lag = 3
    world.befall(Trouble.ANSWER_LOST)
    with pytest.raises(OutcomeUnknown, match="may do so later"):
        await runner.ensure(ORDER)
    ref = await runner.ensure(ORDER)
    assert ref.external_id == str(*world.actions.runs)
    assert len(sent(world)) == 1


async def test_a_run_that_is_listed_too_late_never_works_beside_another(
    world: ActionsWorld, runner: ActionsRunner
) -> None:
    world.actions.lag = 7
    world.befall(Trouble.ANSWER_LOST)
    with pytest.raises(OutcomeUnknown):
        await runner.ensure(ORDER)
    second = await runner.ensure(ORDER)
    assert [run.status for run in world.runs("lch_1")] == ["in_progress", "pending"]
    for run in world.actions.runs.values():
        run.unseen = 0
    assert (await runner.observe(second)).state is LaunchState.PENDING
    first = await runner.ensure(ORDER)
    assert first != second
    assert [run.status for run in world.runs("lch_1")] == ["in_progress", "completed"]


async def test_after_an_error_of_githubs_own_the_run_is_looked_for(
    world: ActionsWorld, runner: ActionsRunner
) -> None:
    deliver = world.github.delivery

    def fail(asked: Asked, do: Callable[[], Answer]) -> Answer | None:
        answer = deliver(asked, do)
        return Answer(502, b"<html>") if asked.method == "POST" else answer

    world.github.delivery = fail
    ref = await runner.ensure(ORDER)
    assert ref.external_id == str(*world.actions.runs)
    assert len(sent(world)) == 1


async def test_an_answer_that_is_not_githubs_is_not_believed(
    world: ActionsWorld, runner: ActionsRunner
) -> None:
    world.github.troubles.append(Answer(200, {}))
    with pytest.raises(Unavailable, match="not understood"):
        await runner.ensure(ORDER)
    # The repository is asked for its id before the look, and for its default branch after it.
    world.github.troubles.extend([None, None, None, Answer(200, {"ok": True})])
    with pytest.raises(OutcomeUnknown, match="not understood"):
        await runner.ensure(ORDER)
    assert not world.actions.runs


async def test_a_run_says_which_repository_its_agent_comes_from(
    world: ActionsWorld, runner: ActionsRunner
) -> None:
    assert (await runner.ensure(ORDER)).realm == str(REPOSITORY_ID)
    assert [ref.realm for ref in await runner.list_owned()] == [str(REPOSITORY_ID)]


async def test_private_variables_cannot_travel(world: ActionsWorld, runner: ActionsRunner) -> None:
    order = replace(ORDER, settings={"ANTHROPIC_API_KEY": KEY})
    with pytest.raises(ConfigError, match="keep ANTHROPIC_API_KEY among the repository's secrets"):
        await runner.ensure(order)
    assert not world.github.asked


async def test_the_seeds_workflow_has_no_name_to_be_found_by(world: ActionsWorld) -> None:
    world.actions.text = SEED
    world.config["event"] = "repository_dispatch"
    clock = Hands()
    runner = ActionsRunner(world.runner()._runs, clock)
    await runner.check()
    ref = await runner.ensure(ORDER)
    assert [run.title for run in world.actions.runs.values()] == ["buildd-task"]
    assert (await runner.observe(ref)).state is LaunchState.PENDING
    with pytest.raises(Unavailable, match="no run to cancel yet"):
        await runner.stop(ref, 0)
    clock.time += timedelta(minutes=11)
    seen = await runner.observe(ref)
    assert (seen.state, "`run-name`" in seen.detail) == (LaunchState.GONE, True)
    await runner.stop(ref, 0)


async def test_a_reference_follows_the_run_that_came_late(world: ActionsWorld) -> None:
    world.config["event"] = "repository_dispatch"
    world.actions.lag = 10
    runner = world.runner()
    ref = await runner.ensure(ORDER)
    assert (await runner.observe(ref)).state is LaunchState.PENDING
    world.actions.runs[int(*world.actions.runs)].unseen = 0
    assert (await runner.observe(ref)).state is LaunchState.RUNNING
    await runner.stop(ref, 0)
    assert (await runner.observe(ref)).state is LaunchState.EXITED


@pytest.mark.parametrize(
    ("status", "conclusion", "seen", "told"),
    [
        ("queued", None, (LaunchState.PENDING, None), "waits for a machine"),
        ("waiting", None, (LaunchState.PENDING, None), "somebody lets it run"),
        ("in_progress", None, (LaunchState.RUNNING, None), "at work"),
        ("completed", "success", (LaunchState.EXITED, 0), "success"),
        ("completed", "failure", (LaunchState.EXITED, None), "failure"),
        ("completed", "startup_failure", (LaunchState.EXITED, None), "startup_failure"),
        ("thinking", None, (LaunchState.UNKNOWN, None), "'thinking'"),
    ],
)
async def test_a_run_is_told_in_a_sentence_with_its_page(
    world: ActionsWorld, status: str, conclusion: str | None, seen: object, told: str
) -> None:
    runner = world.runner()
    ref = await runner.ensure(ORDER)
    [run] = world.actions.runs.values()
    run.status, run.conclusion = status, conclusion
    found = await runner.observe(ref)
    assert (found.state, found.exit_code) == seen
    assert told in found.detail
    assert ref.url is not None
    assert ref.url in found.detail


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(500, {"message": "oops"}), r"cannot do that now"),
        (Answer(403, {"message": "x"}, {"Retry-After": "9"}), "rate limit"),
        (Answer(401, {"message": "Bad credentials"}), "does not accept"),
        (Answer(200, b"<html>"), "not understood"),
    ],
)
async def test_what_github_does_not_show_is_unknown(
    world: ActionsWorld, runner: ActionsRunner, answer: Answer, told: str
) -> None:
    ref = await runner.ensure(ORDER)
    world.github.troubles.append(answer)
    seen = await runner.observe(ref)
    assert seen.state is LaunchState.UNKNOWN
    assert told in seen.detail


async def test_a_repository_out_of_reach_does_not_make_its_runs_gone(
    world: ActionsWorld, runner: ActionsRunner
) -> None:
    ref = await runner.ensure(ORDER)
    missing = Answer(404, {"message": "Not Found"})
    world.github.troubles.extend([missing, missing])
    assert (await runner.observe(ref)).state is LaunchState.UNKNOWN
    world.github.troubles.extend([missing, missing])
    with pytest.raises(ForgeRefused):
        await runner.stop(ref, 0)


async def test_it_is_asked_before_it_is_forced(world: ActionsWorld, runner: ActionsRunner) -> None:
    world.defy()
    ref = await runner.ensure(ORDER)
    await runner.stop(ref, 0.05)
    asked = [each.path.rpartition("/")[2] for each in world.github.asked if each.method == "POST"]
    assert asked == ["dispatches", "cancel", "force-cancel"]


async def test_one_that_survives_even_force_is_told(
    world: ActionsWorld, runner: ActionsRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "_FORCED", 0.05)
    ref = await runner.ensure(ORDER)
    refused = Answer(409, {"message": "Cannot cancel a workflow run that has not been queued yet."})
    world.github.delivery = lambda asked, do: refused if asked.method == "POST" else do()
    with pytest.raises(Unavailable, match="has not ended the run yet"):
        await runner.stop(ref, 0)


async def test_all_pages_are_read(world: ActionsWorld, runner: ActionsRunner) -> None:
    for number in range(230):
        world.actions.add("workflow_dispatch", {"launch": f"buildd/lch_{number}"})
    assert len(await runner.list_owned()) == 230
    number = 230 - 150
    ref = await runner.ensure(replace(ORDER, id=f"lch_{number}"))
    assert ref.external_id == str(9_000_000_001 + number)


async def test_an_app_gets_a_token_for_this_only(world: ActionsWorld, tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    public = key.public_key().public_bytes(serialization.Encoding.PEM, kind)
    world.github.public_key = public.decode()
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "app.pem").write_bytes(secret)
    del world.config["token"]
    world.config |= {"app_id": APP, "app_key_file": str(tmp_path / "app.pem")}
    runner = world.runner()
    await runner.check()
    ref = await runner.ensure(ORDER)
    assert (await runner.observe(ref)).state is LaunchState.RUNNING
    wanted = {"actions": "write", "contents": "read"}
    assert all(may == wanted for may in world.github.tokens.values())


async def test_inputs_that_the_workflow_does_not_have_are_told(
    world: ActionsWorld, runner: ActionsRunner
) -> None:
    world.actions.text = SEED
    with pytest.raises(ForgeRefused, match="Unexpected inputs provided"):
        await runner.ensure(ORDER)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"file": "other.yml"}, r"no workflow buildd.yml in acme/shop"),
        ({"state": "disabled_manually"}, r"disabled \(disabled_manually\)"),
        ({"enabled": False, "administers": True}, "Actions are disabled in acme/shop"),
        ({"branches": ("next",)}, r"no .github/workflows/buildd.yml at main"),
        ({"text": SEED.replace("workflow_dispatch", "push")}, "has no `workflow_dispatch`"),
        ({"text": f"{SEED}# launch"}, "has no `launch`"),
    ],
)
async def test_what_is_wrong_is_told_before_anything_starts(
    world: ActionsWorld, runner: ActionsRunner, changed: dict[str, Any], told: str
) -> None:
    for name, value in changed.items():
        setattr(world.actions, name, value)
    with pytest.raises(ConfigError, match=told):
        await runner.check()


@pytest.mark.parametrize(
    ("may", "event", "told"),
    [
        ({"contents": "read"}, "workflow_dispatch", "Actions: write"),
        ({"actions": "read"}, "repository_dispatch", "Contents: write"),
    ],
)
async def test_a_missing_permission_is_told_by_its_name(
    world: ActionsWorld, may: dict[str, str], event: str, told: str
) -> None:
    world.github.token_may = may
    world.config["event"] = event
    with pytest.raises(ConfigError, match=told):
        await world.runner().check()


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"repository": None}, "repository must be owner/name"),
        ({"repository": "acme/../shop"}, "repository must be owner/name"),
        ({"workflow": "../x.yml"}, "workflow must be the name of a file"),
        ({"event": "push"}, "event must be workflow_dispatch or repository_dispatch"),
        ({"event": "repository_dispatch", "ref": "x"}, "always runs the default branch"),
        ({"mark": "a b"}, "mark must be"),
        ({"inputs": ["x"]}, "inputs must be an object"),
        ({"inputs": {"x": 1}}, "inputs must be an object"),
        ({"inputs": {"task_id": "x"}}, "task_id is given by buildd"),
        ({"inputs": dict.fromkeys("abcdefghi", "")}, "at most 8"),
        ({"token": ""}, "BUILDD_GITHUB_APP_ID is missing"),
        ({"branch": "x"}, "branch is no setting of the runner `github_actions`"),
    ],
)
def test_a_wrong_setting_is_told(world: ActionsWorld, config: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        ActionsRunner.from_config({**world.config, **config})


@pytest.mark.parametrize("order_id", ["", "a/b", "a b", "x" * 101, "${{ x }}"])
async def test_an_order_has_a_plain_name(runner: ActionsRunner, order_id: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a launch"):
        await runner.ensure(replace(ORDER, id=order_id))


async def test_a_reference_of_anothers_is_unknown(runner: ActionsRunner) -> None:
    strange = ExternalRef("github_actions", "lch_1", "4711@12.5")
    assert (await runner.observe(strange)).state is LaunchState.UNKNOWN


def test_the_shipped_workflow_hands_nothing_it_is_told_to_a_shell() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    for job in workflow["jobs"].values():
        assert not [step for step in job["steps"] if "${{" in step.get("run", "")]
