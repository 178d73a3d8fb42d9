"""A task is made, the server has GitHub start a run for it, and in it a real agent does the task."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from buildd import Client, connect, plugins
from buildd.broker import Broker, BrokerSettings
from buildd.broker.dispatch import Means
from buildd.models import Task
from buildd.roles import Runner
from buildd.states import CLOSED, TaskStatus
from buildd.testing.runners import Trouble
from buildd_runners.github import actions
from buildd_server.settings import Settings
from tests.conftest import serving
from tests.github.far_end import TOKEN
from tests.github.issuer import Issuer
from tests.runners.actions_machine import JOB_TOKEN, Machine
from tests.runners.actions_world import WORKFLOW, ActionsWorld

KEYLESS = WORKFLOW.with_name("keyless.yml")
ACTION = WORKFLOW.with_name("action.yml")
SEED = """\
name: buildd worker
on:
  repository_dispatch:
    types: [buildd-task]
  workflow_dispatch:
jobs:
  work:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - name: Run agent
        env:
          BUILDD_SERVER: ${{ secrets.BUILDD_SERVER }}
          BUILDD_API_KEY: ${{ secrets.BUILDD_API_KEY }}
          ANTHROPIC_API_KEY: ${{ secrets.ANTHROPIC_API_KEY }}
        run: buildd-agent --max-tasks=1
"""


@dataclass
class Story:
    """A server whose dispatcher has GitHub start runs, and what they leave."""

    bd: Client
    world: ActionsWorld
    machine: Machine
    issuer: Issuer
    workspace: str
    server: str

    def task(self, title: str = "deploy", **more: Any) -> Task:
        return self.bd.tasks.create(
            workspace_id=self.workspace, title=title, runner_preference="action", **more
        )

    def done(self, task: Task) -> Task:
        """The task as it is when it is over, which the feed tells."""
        with closing(self.bd.events(after=0, task_id=task.id)) as events:
            for _ in events:
                now = self.bd.tasks.get(id=task.id)
                if now.status in CLOSED:
                    return now
        raise AssertionError("the feed has ended")


@pytest.fixture
def story(
    sqlite_url: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Story]:
    text, event = request.param
    monkeypatch.setattr(actions, "_PAUSES", (0, 0.01))
    with ExitStack() as held:
        world = held.enter_context(ActionsWorld(tmp_path / "remotes", event))
        issuer = held.enter_context(Issuer())
        world.actions.text = text

        def runner(name: str, config: Any) -> Runner:
            own = {"token": TOKEN, "api": world.github.api}
            return plugins.load().runners.make(name, {**own, **config})

        broker = Broker.open(sqlite_url, BrokerSettings(means=Means(runners=runner)))
        held.callback(broker.close)
        server = held.enter_context(serving(broker, Settings(github_issuer=issuer.url)))
        bd = held.enter_context(connect(server))
        machine = Machine(world, tmp_path / "machine", issuer=issuer)
        held.callback(machine.wait)
        workspace = bd.workspaces.create(name="shop")
        account = bd.accounts.create(type="action", name="ci", github_id="acme/shop")
        bd.accounts.grant(account_id=account.id, workspace_id=workspace.id)
        [pool] = bd.pools.list()
        bd.pools.update(
            id=pool.id, server=server, config={"repository": "acme/shop", "event": event}
        )
        machine.known = {
            "vars.BUILDD_SERVER": server,
            "secrets.BUILDD_SERVER": server,
            "secrets.BUILDD_API_KEY": account.api_key,
        }
        machine.extra = {"BUILDD_COMMAND": "env >$HOME/seen; true"}
        yield Story(bd, world, machine, issuer, workspace.id, server)


def each(*events: str, text: str | None = None, file: Path = WORKFLOW) -> list[Any]:
    name = "seed" if text else file.stem
    return [pytest.param((text or file.read_text(), e), id=f"{name}-{e}") for e in events]


BOTH = ("workflow_dispatch", "repository_dispatch")


@pytest.mark.parametrize(
    "story",
    [*each(*BOTH, file=KEYLESS), *each(*BOTH), *each("repository_dispatch", text=SEED)],
    indirect=True,
)
def test_a_task_is_done_in_a_run_that_the_server_has_started(
    story: Story, record_property: Any
) -> None:
    task = story.task()
    assert story.done(task).status is TaskStatus.COMPLETED
    story.machine.wait()
    [launch] = story.bd.launches.list()
    [worker] = story.bd.workers.list(task_id=task.id)
    [run] = story.world.actions.runs.values()
    assert (launch.task_id, launch.worker_id) == (task.id, worker.id)
    assert launch.external_id == str(run.id)
    assert run.payload["task_id"] == task.id
    assert worker.started_at is not None
    record_property("created_to_running", str(worker.started_at - task.created_at))


@pytest.mark.parametrize("story", each("repository_dispatch", file=KEYLESS), indirect=True)
def test_nothing_secret_shows(story: Story) -> None:
    assert story.done(story.task()).status is TaskStatus.COMPLETED
    story.machine.wait()
    assert story.issuer.audiences == [story.server]
    log = story.machine.said()
    masks = re.findall(r"^::add-mask::(\S+)$", log, re.MULTILINE)
    assert [mask[:15] for mask in masks] == [masks[0][:15], "buildd_acquire_"]
    shown = re.sub(r"^::add-mask::.*$", "", log, flags=re.MULTILINE)
    for secret in (*masks, JOB_TOKEN, "a-bearer-for-run"):
        assert secret not in shown
        assert secret not in "".join(story.world.public())
    seen = (story.machine.directory / "seen").read_text()
    for secret in (*masks, JOB_TOKEN, "ACTIONS_ID_TOKEN", "BUILDD_API_KEY", "GIT_CONFIG"):
        assert secret not in seen


@pytest.mark.parametrize("story", each("repository_dispatch", file=KEYLESS), indirect=True)
def test_an_answer_of_githubs_that_is_lost_costs_no_second_run(story: Story) -> None:
    story.world.befall(Trouble.ANSWER_LOST)
    task = story.task()
    assert story.done(task).status is TaskStatus.COMPLETED
    story.machine.wait()
    assert len(story.world.actions.runs) == 1
    assert [launch.task_id for launch in story.bd.launches.list()] == [task.id]


@pytest.mark.parametrize("story", each("repository_dispatch", file=KEYLESS), indirect=True)
def test_a_run_that_is_no_launchs_takes_nothing(story: Story) -> None:
    """Somebody who may write starts the workflow with the name of a launch that is not theirs."""
    task = story.task()
    story.done(task)
    story.machine.wait()
    [launch] = story.bd.launches.list()
    stranger = {"launch": f"buildd/{launch.id}", "task_id": task.id}
    story.bd.pools.update(id=launch.pool_id, enabled=False)
    waiting = story.task("another")
    run = story.world.actions.add("repository_dispatch", stranger)
    story.machine.wait()
    assert run.conclusion == "failure"
    assert "this run may not log in: the server's log says why" in story.machine.said()
    assert story.bd.tasks.get(id=waiting.id).status is TaskStatus.PENDING


@pytest.mark.real
@pytest.mark.timeout(400)  # it installs every package anew
@pytest.mark.skipif("BUILDD_LONG" not in os.environ, reason="the long form: make chaos")
@pytest.mark.parametrize("story", each("workflow_dispatch", file=KEYLESS), indirect=True)
def test_the_action_installs_the_agent_of_its_own_commit_and_runs_it(story: Story) -> None:
    install, run = yaml.safe_load(ACTION.read_text())["runs"]["steps"]
    temporary = {"RUNNER_TEMP": str(story.machine.directory)}
    subprocess.run(
        ["bash", "-e", "-c", install["run"]],
        env={**os.environ, **temporary, "GITHUB_ACTION_PATH": str(ACTION.parent)},
        check=True,
    )
    workflow = yaml.safe_load(story.world.actions.text)
    workflow["jobs"]["work"]["steps"] = [run]
    story.world.actions.text = yaml.safe_dump(workflow)
    story.machine.known |= {"inputs.server": story.server, "inputs.max-tasks": "1"}
    assert story.done(story.task()).status is TaskStatus.COMPLETED
    story.machine.wait()
    assert (story.machine.directory / "buildd-agent" / "bin" / "buildd-agent").exists()
