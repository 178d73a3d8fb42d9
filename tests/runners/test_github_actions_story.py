"""A task, a run of the workflow that we ship, and in it a real agent that takes the task."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
import yaml  # type: ignore[import-untyped]

from buildd.roles import LaunchOrder, LaunchState
from buildd.states import TaskStatus
from tests.agent.office import Office
from tests.conftest import serving
from tests.github.workflows import WorkflowRun
from tests.patience import PATIENCE
from tests.runners.actions_world import WORKFLOW, ActionsWorld

pytestmark = pytest.mark.anyio

_SECRET = re.compile(r"\$\{\{ secrets\.(\w+) \}\}")


class Machine:
    """What runs the last step of the workflow, with the repository's secrets."""

    def __init__(self, world: ActionsWorld, directory: Path, secrets: dict[str, str]) -> None:
        [*_, self.step] = yaml.safe_load(WORKFLOW.read_text())["jobs"]["work"]["steps"]
        self.world, self.directory, self.secrets = world, directory, secrets
        self.agents: list[subprocess.Popen[bytes]] = []
        world.actions.started = self.begin

    def begin(self, run: WorkflowRun) -> None:
        place = "inputs" if run.event == "workflow_dispatch" else "client_payload"
        event = self.directory / "event.json"
        event.write_text(json.dumps({place: run.payload}))
        variables = {
            name: _SECRET.sub(lambda found: self.secrets[found[1]], value)
            for name, value in self.step["env"].items()
        }
        environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.directory),
            "GITHUB_ACTIONS": "true",
            "GITHUB_RUN_ID": str(run.id),
            "GITHUB_EVENT_PATH": str(event),
        }
        self.agents.append(
            subprocess.Popen(
                ["bash", "-e", "-c", self.step["run"]],
                cwd=self.directory,
                env={**environment, **variables, "BUILDD_COMMAND": "true"},
            )
        )

    def work(self, run: WorkflowRun) -> None:
        """Let the step of the run end."""
        code = self.agents.pop().wait(PATIENCE)
        self.world.actions.end(run, "failure" if code else "success")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["workflow_dispatch", "repository_dispatch"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ActionsWorld]:
    with ActionsWorld(tmp_path / "remotes", request.param) as world:
        yield world


async def test_a_task_is_done_in_a_run(world: ActionsWorld, office: Office, tmp_path: Path) -> None:
    account = office.owner.accounts.create(type="action", name="ci", github_id="acme/shop")
    office.owner.accounts.grant(account_id=account.id, workspace_id=office.workspace_id)
    other, wanted = office.task("other", priority=9), office.task("wanted")
    directory = tmp_path / "checkout"
    directory.mkdir()
    with serving(office.broker) as server:
        secrets = {"BUILDD_SERVER": server, "BUILDD_API_KEY": account.api_key}
        machine = Machine(world, directory, secrets)
        runner = world.runner()
        order = LaunchOrder("lch_1", server, account.api_key, task_id=wanted.id)
        ref = await runner.ensure(order)
        assert (await runner.observe(ref)).state is LaunchState.RUNNING
        [run] = world.actions.runs.values()
        await anyio.to_thread.run_sync(machine.work, run)
    seen = await runner.observe(ref)
    assert (seen.state, seen.exit_code) == (LaunchState.EXITED, 0)
    assert office.read(wanted).status is TaskStatus.COMPLETED
    assert office.read(other).status is TaskStatus.PENDING
    assert not [text for text in world.public() if account.api_key in text]
