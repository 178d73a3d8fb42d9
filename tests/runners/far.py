"""Another machine as the world of the `vm` runner: this one, behind a stand-in for OpenSSH or a real sshd."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from buildd.roles import ExternalRef
from buildd.testing.runners import Trouble
from buildd_runners.vm import runner as vm
from buildd_runners.vm.runner import VmRunner
from tests.patience import PATIENCE
from tests.runners.machine import Machine

SHORT = 3.0
"""Seconds that a runner waits for an answer which it is not to see."""

# What is called with the host's Python: the program of ours, and what can befall it.
PYTHON = """\
#!/bin/sh
request=$(cat)
program='import sys; sys.executable = "{agent}"
from buildd_runners.vm.host import main
sys.exit(main())'
host() {{ printf %s "$request" | {python} -P -c "$program"; }}
trouble=
case $request in *'"verb":"ensure"'*|*'"verb":"stop"'*)
    mv {at}/trouble {at}/met 2>/dev/null && trouble=$(cat {at}/met);;
esac
case $trouble in
call_lost) kill -9 $PPID;;
answer_lost) host >/dev/null; kill -9 $PPID;;
cut) kill -9 $PPID; host;;
late) host >/dev/null; until [ -e {at}/over ]; do sleep 0.05; done;;
twice) host >/dev/null & host; wait;;
*) echo "Welcome to a shell that talks"; host;;
esac
"""

# What others could see of the client, and then the client.
SSH = """\
#!/bin/sh
{{ printf '%s\\n' "$@"; env; }} >> {at}/seen
{then}
"""
STAND_IN = """\
if [ -e {at}/road ]; then cat {at}/road >&2; [ -e {at}/once ] && rm {at}/road {at}/once; exit 255; fi
while [ "$1" != -- ]; do shift; done
shift 2
sh -c "exec $*"
"""


class Road(ABC):
    """How the host is reached, and how it is not."""

    def __init__(self, at: Path, patch: pytest.MonkeyPatch) -> None:
        self.at = at
        self._patch = patch
        self.config: dict[str, JsonValue] = {"host": "127.0.0.1"}

    def install(self, then: str) -> None:
        """Put a client into the PATH."""
        programs = self.at / "bin"
        programs.mkdir()
        (programs / "ssh").write_text(SSH.format(at=self.at, then=then))
        (programs / "ssh").chmod(0o755)
        self._patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")

    @abstractmethod
    def close(self) -> None:
        """Leave nothing running."""

    @abstractmethod
    def cut_off(self) -> None: ...

    @abstractmethod
    def reconnect(self) -> None: ...

    @abstractmethod
    def busy(self) -> None:
        """Turn the next connection away."""

    @abstractmethod
    def refuse(self) -> None:
        """Let nobody in from now on."""


class StandIn(Road):
    """No network and no daemon: the words are run here, as sshd would."""

    def __init__(self, at: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(at, patch)
        self.install(STAND_IN.format(at=at))

    def says(self, words: str) -> None:
        (self.at / "road").write_text(f"{words}\n")

    def close(self) -> None:
        pass

    def cut_off(self) -> None:
        self.says("ssh: connect to host 127.0.0.1 port 22: Connection refused")

    def reconnect(self) -> None:
        (self.at / "road").unlink()

    def busy(self) -> None:
        (self.at / "once").touch()
        self.says("kex_exchange_identification: Connection closed by remote host")

    def refuse(self) -> None:
        self.says("somebody@127.0.0.1: Permission denied (publickey).")


class Sshd(Road):
    """OpenSSH's own server and client, with keys of their own, on a port of their own."""

    def __init__(self, at: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(at, patch)
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.install(f'exec {shutil.which("ssh")} "$@"')
        self.key("host")
        self.key("person")
        self.daemon: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        shutil.copy(at / "person.pub", at / "authorized")
        self.trust("host")
        self.config |= {
            "user": getpass.getuser(),
            "port": self.port,
            "identity_file": str(at / "person"),
            "known_hosts": str(at / "known_hosts"),
        }
        self.reconnect()

    def key(self, name: str) -> None:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.at / name], check=True
        )

    def trust(self, name: str) -> None:
        """Know the host by this key, and no other."""
        public = (self.at / f"{name}.pub").read_text()
        (self.at / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}")

    def reconnect(self) -> None:
        settings = {
            "ListenAddress": f"127.0.0.1:{self.port}",
            "HostKey": self.at / "host",
            "AuthorizedKeysFile": self.at / "authorized",
            "PidFile": "none",
            "StrictModes": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
        }
        config = self.at / "sshd_config"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
        assert program, "sshd is not installed: apt-get install openssh-server"
        self._listen().close()
        with (self.at / "sshd.log").open("ab") as log:
            self.daemon = subprocess.Popen([program, "-D", "-e", "-f", config], stderr=log)
        while True:
            assert self.daemon.poll() is None, (self.at / "sshd.log").read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)

    def close(self) -> None:
        self.cut_off()

    def cut_off(self) -> None:
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait()

    def busy(self) -> None:
        self.cut_off()
        listener = self._listen()

        def turn_away() -> None:
            connection, _ = listener.accept()
            with connection:
                listener.close()
                self.reconnect()

        threading.Thread(target=turn_away).start()

    def _listen(self) -> socket.socket:
        """Take the port again, also from a connection of somebody's that has it for its own end."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return socket.create_server(("127.0.0.1", self.port))
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.01)

    def refuse(self) -> None:
        (self.at / "authorized").write_text("")


class Far(Machine):
    """What `Machine` is, seen through a road."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, road: type[Road]) -> None:
        self.python = sys.executable
        super().__init__(directory, monkeypatch)
        self.road = road(directory, monkeypatch)
        python = directory / "python"
        python.write_text(PYTHON.format(agent=self.program, python=self.python, at=directory))
        python.chmod(0o755)
        self.road.config |= {"python": str(python), "state_dir": str(directory / "state")}

    def close(self) -> None:
        (self.directory / "over").touch()
        super().close()
        self.road.close()

    def runner(self) -> VmRunner:  # type: ignore[override]
        self._patch.setattr(vm, "_PATIENCE", 60.0)
        return VmRunner.from_config(self.road.config)

    def never(self) -> ExternalRef:
        host = VmRunner.from_config(self.road.config)._host
        return ExternalRef("vm", "lch_never", f"{host}/{os.getpid()}@12345.00")

    def public(self) -> Iterator[str]:
        yield from super().public()
        yield (self.directory / "seen").read_text()

    def befall(self, trouble: Trouble) -> None:
        match trouble:
            case Trouble.BUSY:
                self.road.busy()
            case Trouble.REFUSED:
                self.road.refuse()
            case _:
                if trouble is Trouble.LATE:
                    self._patch.setattr(vm, "_PATIENCE", SHORT)
                (self.directory / "trouble").write_text(trouble)

    def cut_off(self) -> None:
        self.road.cut_off()

    def reconnect(self) -> None:
        self.road.reconnect()

    def misconfigured(self) -> VmRunner:  # type: ignore[override]
        return VmRunner.from_config({**self.road.config, "python": "/nothing/here"})
