"""`buildd vm bootstrap` and `cloud-init`: what reaches the machine, and how it is installed there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildd.errors import ConfigError
from buildd_runners.vm import command
from buildd_runners.vm.service import Service
from tests.agent.office import OfficeMaker
from tests.conftest import serving
from tests.runners.far import Sshd

AWKWARD = ("--command=echo '$HOME' \"${x}\" %h \\ ;", "--capability=a b")
TOKEN = "buildd_enrol_a_token_that_nobody_may_see"  # noqa: S105 - nobody's

# The machine's own programs that a test may not run for real: what they were asked is written down.
STAND_IN = """\
#!/bin/sh
echo "$(basename "$0") $*" >> {at}/asked
case "$(basename "$0") $*" in
"id -u") echo 0;;
"id -u buildd") test -e {at}/user;;
useradd*) touch {at}/user;;
*is-active*) test -e {at}/active;;
*restart*) test ! -e {at}/fails && touch {at}/active;;
journalctl*) echo "buildd-agent: error: this enrolment token was used";;
esac
"""
PROGRAMS = ("id", "useradd", "systemctl", "journalctl")


def service(**more: object) -> Service:
    given: dict[str, object] = {"program": sys.executable, "arguments": AWKWARD, **more}
    return Service("https://buildd.example.com", TOKEN, **given)  # type: ignore[arg-type]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit_as_it_is(tmp_path: Path) -> None:
    unit = tmp_path / "buildd-agent.service"
    unit.write_text(service().unit())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_gives_the_agent_longer_than_its_drain() -> None:
    text = service(drain_timeout=90).unit()
    assert "--drain-timeout=90" in text
    assert "TimeoutStopSec=150" in text
    assert TOKEN not in text


@pytest.mark.parametrize("where", ["arguments", "settings"])
def test_what_could_become_a_line_of_its_own_is_refused(where: str) -> None:
    value = ("--x\nExecStart=/bin/evil",) if where == "arguments" else {"KEY": "a\nLD_PRELOAD=b"}
    with pytest.raises(ConfigError, match="control character"):
        service(**{where: value}).script()


def test_cloud_init_holds_no_lasting_key() -> None:
    head, rest = service().cloud_init().split("\n", 1)
    assert head == "#cloud-config"
    config = json.loads(rest)
    [file] = config["write_files"]
    assert (file["permissions"], file["content"]) == ("0600", service().script())
    assert config["runcmd"] == [["sh", file["path"]], ["rm", file["path"]]]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory in the place of a machine's root, reached by a real sshd."""
    road = Sshd(tmp_path, monkeypatch)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).write_text(STAND_IN.format(at=tmp_path))
        (programs / name).chmod(0o755)
    for each in ("etc/systemd/system", "run/systemd/system"):
        (tmp_path / "root" / each).mkdir(parents=True)
    root = tmp_path / "root"
    whole = Service.script

    def moved(self: Service) -> str:
        text = whole(self)
        for each in ("/etc/buildd", "/etc/systemd", "/run/systemd"):
            text = text.replace(f" {each}", f" {root}{each}")
        return f"PATH={programs}:$PATH\n{text}"

    monkeypatch.setattr(Service, "script", moved)
    monkeypatch.setattr(command, "_ROOT", ("exec", "sh", "-s"))
    (tmp_path / "road.json").write_text(json.dumps(road.config))
    yield tmp_path
    road.close()


def bootstrap(machine: Path, account: str, address: str, *flags: str) -> tuple[int, str]:
    """The command, in this process, as a person gives it."""
    from click.testing import CliRunner

    road = json.loads((machine / "road.json").read_text())
    where = [f"--user={road['user']}", f"--port={road['port']}"]
    where += [f"--identity-file={road['identity_file']}", f"--known-hosts={road['known_hosts']}"]
    argv = ["bootstrap", "127.0.0.1", f"--account={account}", f"--server={address}", *where, *flags]
    done = CliRunner().invoke(command.vm, argv)
    problem = done.exception
    said = problem.message if isinstance(problem, ConfigError) else done.output
    return done.exit_code, said


@pytest.mark.real
def test_a_machine_gets_its_agent_and_nothing_twice(
    machine: Path, open_office: OfficeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office()
    monkeypatch.setenv("MODEL_KEY", "sk-nobody-may-see")
    flags = (f"--program={sys.executable}", "--pass-env=MODEL_KEY", "--", "--max-tasks=2")
    with serving(office.broker) as address:
        assert bootstrap(machine, office.account_id, address, *flags)[0] == 0
        etc = machine / "root" / "etc"
        token = (etc / "buildd" / "enrolment").read_text()
        assert token.startswith("buildd_enrol_")
        assert 'MODEL_KEY="sk-nobody-may-see"' in (etc / "buildd" / "agent.env").read_text()
        for each in (etc / "buildd").iterdir():
            assert each.stat().st_mode & 0o077 == 0
        unit = (etc / "systemd" / "system" / "buildd-agent.service").read_text()
        assert '"--max-tasks=2"' in unit
        asked = (machine / "asked").read_text()
        assert asked.count("restart") == asked.count("useradd") == 1
        assert bootstrap(machine, office.account_id, address, *flags)[0] == 0
        again = (machine / "asked").read_text()
        assert again.count("restart") == again.count("useradd") == 1
        assert (etc / "buildd" / "enrolment").read_text() == token
        assert bootstrap(machine, office.account_id, address, "--enrol-again", *flags)[0] == 0
        assert (etc / "buildd" / "enrolment").read_text() != token
        assert (machine / "asked").read_text().count("restart") == 2
    for secret in (token, "sk-nobody-may-see"):
        assert secret not in unit
        assert secret not in (machine / "asked").read_text()
        assert secret not in (machine / "seen").read_text()


@pytest.mark.real
def test_what_is_wrong_is_told_in_one_line(machine: Path, open_office: OfficeMaker) -> None:
    office = open_office()
    with serving(office.broker) as address:
        code, said = bootstrap(machine, office.account_id, address, "--program=/nothing/here")
        assert (code, "is no program there" in said) == (1, True)
        (machine / "fails").touch()
        code, said = bootstrap(machine, office.account_id, address, f"--program={sys.executable}")
        assert code == 1
        assert "the agent does not start" in said
        assert "this enrolment token was used" in said
        assert "\n" not in said
        (machine / "known_hosts").write_text("")
        code, said = bootstrap(machine, office.account_id, address)
        assert (code, "its host key is unknown" in said) == (1, True)


def test_it_is_a_command_of_buildd() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "buildd", "vm", "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )
    if "no command" in done.stderr:
        pytest.skip("buildd was installed before it had this command: install it anew")
    assert "bootstrap" in done.stdout
    assert "cloud-init" in done.stdout
