from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue, ValidationError

from buildd import plugins
from buildd.errors import BuilddError, ConfigError, OutcomeUnknown, Unavailable
from buildd.roles import ExternalRef, LaunchOrder, LaunchState
from buildd.routing import AccountType
from buildd.testing.runners import CheckSuite, Trouble
from buildd_runners.vm.door import Request
from buildd_runners.vm.runner import VmRunner
from tests.runners.far import Far, StandIn


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    far = Far(tmp_path, monkeypatch, StandIn)
    yield far
    far.close()


class TestWhatIsTold(CheckSuite):
    """On a stand-in for OpenSSH, which runs here what sshd would."""


ORDER = LaunchOrder("lch_1", "http://127.0.0.1:9", "buildd_a_key_that_nobody_may_see")


def road(world: Far) -> StandIn:
    assert isinstance(world.road, StandIn)
    return world.road


def config(world: Far, python: str) -> VmRunner:
    """A runner on a host whose Python is this script."""
    path = world.directory / "other_python"
    path.write_text(f"#!/bin/sh\n{python}\n")
    path.chmod(0o755)
    return VmRunner.from_config({**world.road.config, "python": str(path)})


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("said", "error", "told"),
    [
        (
            "No ED25519 host key is known for vm and so on.\nHost key verification failed.",
            ConfigError,
            "its host key is unknown",
        ),
        (
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
            ConfigError,
            "another host key than the one you know",
        ),
        ("Host key verification failed.", ConfigError, "not to be trusted"),
        (
            "@ WARNING: UNPROTECTED PRIVATE KEY FILE! @\na@vm: Permission denied (publickey).",
            ConfigError,
            "chmod 600",
        ),
        ("a@vm: Permission denied (publickey).", ConfigError, "does not let us in"),
        ("config: line 1: Bad configuration option: no", ConfigError, "does not understand"),
        (
            "ssh: Could not resolve hostname vm: Name or service not known",
            Unavailable,
            "127.0.0.1 is not reached: ssh: Could not resolve",
        ),
        ("Connection timed out during banner exchange", Unavailable, "is not reached"),
        ("Connection to vm closed by remote host.", OutcomeUnknown, "the connection was lost"),
        ("Timeout, server vm not responding.\x1b[31m", OutcomeUnknown, "not responding.?[31m)"),
        (
            "cat: /etc/motd: Permission denied\nclient_loop: send disconnect: Broken pipe",
            OutcomeUnknown,
            "the connection was lost",
        ),
        ("", OutcomeUnknown, "ssh does not say why"),
    ],
)
async def test_what_openssh_says_is_told_in_one_line(
    world: Far, said: str, error: type[BuilddError], told: str
) -> None:
    road(world).says(said)
    runner = world.runner()
    with pytest.raises(BuilddError, match=re.escape(told)) as problem:
        await runner.ensure(ORDER)
    assert type(problem.value) is error
    assert "\n" not in str(problem.value)
    seen = await runner.observe(ExternalRef("vm", "lch_1", "127.0.0.1/1@2.00"))
    assert seen.state is LaunchState.UNKNOWN
    assert told in seen.detail
    with pytest.raises(ConfigError, match=re.escape(told)):
        await runner.check()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("python", "error", "told"),
    [
        ("exec /nothing/here", ConfigError, "has no .*other_python; set `python`"),
        ("echo 'Unknown option: -P' >&2; exit 2", ConfigError, "is older than 3.11"),
        (
            "echo \"(ModuleNotFoundError: No module named 'buildd_runners')\" >&2; exit 1",
            ConfigError,
            "buildd is not installed",
        ),
        (
            "echo \"(ModuleNotFoundError: No module named 'buildd_runners.vm')\" >&2; exit 1",
            ConfigError,
            "buildd is too old",
        ),
        ("echo 'MemoryError' >&2; exit 1", Unavailable, "ended with code 1: MemoryError"),
        ("exit 0", Unavailable, "ended with code 0: it says nothing"),
        ("echo '{\"buildd\":7}'", ConfigError, "its buildd is too new"),
        ('echo \'{"buildd":"9"}\'', Unavailable, "does not say what it started"),
    ],
)
async def test_what_is_wrong_with_the_host_is_told_in_one_line(
    world: Far, python: str, error: type[BuilddError], told: str
) -> None:
    runner = config(world, python)
    with pytest.raises(BuilddError, match=told) as problem:
        await runner.ensure(ORDER)
    assert type(problem.value) is error
    ref = ExternalRef("vm", "lch_1", "127.0.0.1/1@2.00")
    assert (await runner.observe(ref)).state is LaunchState.UNKNOWN


@pytest.mark.anyio
async def test_a_host_that_hangs_is_unknown(world: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    over = world.directory / "over"
    runner = config(world, f"until [ -e {over} ]; do sleep 0.05; done")
    runner = VmRunner(runner._host.model_copy(update={"connect_timeout": 0.1}))
    monkeypatch.setattr("buildd_runners.vm.runner._PATIENCE", 0.1)
    with pytest.raises(OutcomeUnknown, match="no answer in time"):
        await runner.ensure(ORDER)


@pytest.mark.anyio
async def test_an_agent_on_another_host_is_not_looked_for_here(world: Far) -> None:
    elsewhere = ExternalRef("vm", "lch_1", "other.example/1@2.00")
    runner = world.runner()
    seen = await runner.observe(elsewhere)
    assert seen.state is LaunchState.UNKNOWN
    assert seen.detail == "lch_1 is on other.example, not 127.0.0.1"
    with pytest.raises(ConfigError, match=r"is on other\.example"):
        await runner.stop(elsewhere, 0)


@pytest.mark.anyio
async def test_an_agent_whose_answer_is_lost_is_found_again(world: Far) -> None:
    world.befall(Trouble.ANSWER_LOST)
    with pytest.raises(OutcomeUnknown):
        await world.runner().ensure(ORDER)
    ref = await world.runner().ensure(ORDER)
    assert (await world.runner().observe(ref)).state is LaunchState.RUNNING
    assert world.agents(ORDER.id) == 1
    assert world.key(ORDER.id) == ORDER.key
    assert not [text for text in world.public() if ORDER.key in text]


@pytest.mark.anyio
async def test_an_order_that_is_no_name_is_refused_there(world: Far) -> None:
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1: '\.\./up' cannot name a launch"):
        await world.runner().ensure(LaunchOrder("../up", "http://127.0.0.1:9", "key"))


def test_a_host_that_is_older_does_nothing_by_halves() -> None:
    order = {"id": "lch_1", "server": "", "key": "", "what_comes_next": 1}
    with pytest.raises(ValidationError):
        Request.model_validate({"verb": "ensure", "order": order})


@pytest.mark.anyio
async def test_an_order_beyond_all_measure_is_refused_here(world: Far) -> None:
    huge = LaunchOrder("lch_1", "http://127.0.0.1:9", "key", arguments=("x" * 1_000_000,))
    with pytest.raises(ConfigError, match="too long"):
        await world.runner().ensure(huge)


@pytest.mark.anyio
async def test_without_openssh_there_is_one_line(
    world: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(world.directory))
    with pytest.raises(ConfigError, match="OpenSSH is not installed"):
        await world.runner().check()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", "-oProxyCommand=id"),
        ("host", "a b"),
        ("host", ""),
        ("user", "-x"),
        ("user", "a;id"),
        ("port", 0),
        ("identity_file", "/nothing/here"),
        ("known_hosts", "relative"),
        ("known_hosts", '/a"b'),
        ("identity_file", "/%h"),
        ("python", "python3; id"),
        ("python", "-c"),
        ("state_dir", "relative"),
        ("connect_timeout", 0),
        ("known_host", "/misspelt"),
    ],
)
def test_a_wrong_setting_is_named(field: str, value: str | int) -> None:
    with pytest.raises(ConfigError, match=f"^vm: {field}: ") as wrong:
        VmRunner.from_config({"host": "vm", field: value})
    assert "\n" not in str(wrong.value)


def test_a_host_is_all_it_needs() -> None:
    runner = plugins.load().runners.make("vm", {"host": "vm.example"})
    assert runner.serves == {AccountType.SERVICE}
    with pytest.raises(ConfigError, match="vm: host: "):
        VmRunner.from_config({})


def test_the_settings_are_openssh_options(tmp_path: Path) -> None:
    keys = tmp_path / "my keys"
    keys.touch()
    settings: dict[str, JsonValue] = {
        "host": "::1",
        "user": "me",
        "port": 2222,
        "known_hosts": str(keys),
    }
    host = VmRunner.from_config({**settings, "identity_file": str(keys)})._host
    assert str(host) == "me@::1:2222"
    command = host.command("python3")
    assert command[-3:] == ["--", "::1", "python3"]
    options = dict(each.split("=", 1) for each in command[2:-3:2])
    assert options["StrictHostKeyChecking"] == "yes"
    assert options["BatchMode"] == "yes"
    assert options["UserKnownHostsFile"] == options["IdentityFile"] == f'"{keys}"'
    assert (options["User"], options["Port"]) == ("me", "2222")
    assert "-F" not in command
