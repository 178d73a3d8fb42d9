from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from buildd.agent import process
from buildd.errors import ConfigError, Unavailable
from buildd.roles import ExternalRef, LaunchOrder, LaunchState
from buildd.testing.runners import RunnerSuite, Stage
from buildd_runners import local
from buildd_runners.local import LocalRunner
from tests.runners.machine import Machine


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    machine = Machine(tmp_path, monkeypatch)
    yield machine
    machine.close()


class TestLocal(RunnerSuite):
    """What every runner does."""


class TestHere:
    """What only a runner on this machine does."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    def stage(self, world: Machine) -> Stage:
        return Stage(world)

    async def test_the_settings_are_private(self, stage: Stage, world: Machine) -> None:
        order, _ = await stage.running()
        settings = world.launch(order.id) / ".env"
        assert settings.stat().st_mode & 0o077 == 0
        assert world.launch(order.id).stat().st_mode & 0o077 == 0

    async def test_what_an_agent_left_running_ends_with_it(
        self, stage: Stage, world: Machine
    ) -> None:
        order, ref = await stage.running()
        await stage.runner.stop(ref, grace=30)
        assert list(world.processes(order.id)) == []

    async def test_another_servers_launch_of_the_same_id_is_left_alone(
        self, stage: Stage, world: Machine
    ) -> None:
        order, ref = await stage.running()
        theirs = LocalRunner(world.directory / "elsewhere")
        # They wrote nothing down yet, so they look for it: ours is not theirs.
        (world.directory / "elsewhere" / "launches" / order.id).mkdir(parents=True)
        assert await theirs.list_owned() == []
        other = await theirs.ensure(order)
        assert other.external_id != ref.external_id
        await theirs.stop(other, 0)
        assert (await theirs.observe(other)).state is LaunchState.EXITED
        assert (await stage.runner.observe(ref)).state is LaunchState.RUNNING
        assert world.agents(order.id) == 1

    async def test_stopping_what_has_ended_spares_whoever_has_its_number_now(
        self, stage: Stage
    ) -> None:
        with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
            name = f"{stranger.pid}@12345.00"
            await stage.runner.stop(ExternalRef("local", "lch_1", name), 0)
            alive = stranger.poll() is None
            stranger.kill()
        assert alive

    @pytest.mark.parametrize("order_id", ["../escape", "", "a/b", "x" * 101])
    async def test_a_launch_has_a_plain_name(self, stage: Stage, order_id: str) -> None:
        with pytest.raises(ConfigError, match="cannot name a launch"):
            await stage.runner.ensure(LaunchOrder(order_id, "http://127.0.0.1:9", stage.key))

    async def test_a_setting_that_there_is_not_is_told(self) -> None:
        with pytest.raises(ConfigError, match="directory is no setting of the runner `local`"):
            LocalRunner.from_config({"directory": "/data/agents"})

    @pytest.mark.parametrize("given", [5, "", "agents", "~/agents"])
    async def test_a_directory_that_moves_with_the_server_is_refused(
        self, given: JsonValue
    ) -> None:
        with pytest.raises(ConfigError, match="state_dir must be an absolute path"):
            LocalRunner.from_config({"state_dir": given})

    async def test_a_directory_that_cannot_be_made_ends_the_tries(self, world: Machine) -> None:
        with pytest.raises(ConfigError, match="launches: Not a directory"):
            await world.misconfigured().ensure(LaunchOrder("lch_1", "http://127.0.0.1:9", "key"))

    async def test_a_disk_that_is_full_is_tried_again(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(path: Path, text: str) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(local, "_write", full)
            with pytest.raises(Unavailable, match="launches: No space left on device"):
                await stage.runner.ensure(stage.order())
        await stage.running()

    async def test_what_an_agent_says_when_it_ends_is_told(
        self, stage: Stage, world: Machine
    ) -> None:
        order, ref = await stage.running()
        said = "12:00:00 ready\nbuildd-agent: error: ANTHROPIC_API_KEY is not set\n"
        (world.launch(order.id) / "log").write_text(said)
        world.end(order.id, 2)
        runner = LocalRunner(world.directory / "state")
        assert (await runner.observe(ref)).detail.endswith(": ANTHROPIC_API_KEY is not set")

    async def test_the_programs_of_an_agent_that_was_killed_end(self, stage: Stage) -> None:
        _, ref = await stage.running()
        # As an agent starts the program of an attempt: in a session of its own, with this mark.
        environment = {**os.environ, process.OWNER: ref.external_id}
        with subprocess.Popen(["sleep", "600"], env=environment, start_new_session=True) as program:
            assert (await stage.runner.observe(ref)).state is LaunchState.RUNNING
            assert program.poll() is None
            os.kill(int(ref.external_id.partition("@")[0]), signal.SIGKILL)
            await stage.until(ref, LaunchState.EXITED)
            assert program.wait() < 0

    async def test_a_directory_that_cannot_be_made_is_told(self, world: Machine) -> None:
        with pytest.raises(ConfigError, match="Not a directory"):
            await world.misconfigured().check()
