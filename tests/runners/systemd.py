"""A systemd of the tests' own: the real program, as a user's manager with no units but those it is given."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

_TARGETS = ("basic", "default", "shutdown")
_ROOTS = (Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup"))

# It starts only where the system looks like one that systemd has booted.
_START = """\
test -d /run/systemd/system || { mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system; }
for group in "$@"; do echo $$ > "$group/cgroup.procs"; done
exec "$PROGRAM" --user --unit=default.target
"""


class Systemd:
    """One manager, whose runtime directory tells others where it is."""

    def __init__(self, at: Path) -> None:
        self.runtime = at / "runtime"
        self.runtime.mkdir(mode=0o700)
        units = at / "units"
        units.mkdir()
        for name in _TARGETS:
            (units / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
        self._log = at / "systemd.log"
        self._groups = [each for each in (_group(root) for root in _ROOTS) if each]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*_namespace(), "sh", "-c", _START, "sh", *map(str, self._groups[:1])],
                env={
                    **os.environ,
                    "PROGRAM": _program(),
                    "SYSTEMD_LOG_TARGET": "console",
                    "SYSTEMD_UNIT_PATH": str(units),
                    "XDG_RUNTIME_DIR": str(self.runtime),
                },
                stdout=log,
                stderr=log,
            )
        self._wait()

    def ask(self, *words: str) -> str:
        """What `systemctl` says."""
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(self.runtime)}
        done = subprocess.run(
            ["systemctl", "--user", *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    def _wait(self) -> None:
        while self.ask("is-active", "default.target").strip() != "active":
            if self._process.poll() is not None:
                self.close()
                pytest.skip(f"systemd does not run here: {self._log.read_text()[-300:]}")
            time.sleep(0.05)

    def close(self) -> None:
        """Leave nothing running."""
        self.ask("kill", "--signal=KILL", "buildd-*")
        self._process.kill()
        self._process.wait()
        for group in self._groups:
            for each in sorted(group.rglob("*/"), reverse=True):
                with suppress(OSError):
                    each.rmdir()
            with suppress(OSError):
                group.rmdir()


def _program() -> str:
    found = shutil.which("systemd", path=f"{os.environ['PATH']}:/usr/lib/systemd:/lib/systemd")
    if found is None:
        pytest.skip("systemd is not installed")
    return found


def _namespace() -> list[str]:
    return ["unshare", "--mount"] if os.getuid() == 0 else []


def _group(root: Path) -> Path | None:
    """A control group below which it makes those of its units, so that several can run at once."""
    if not (root / "cgroup.procs").exists():
        return None
    group = root / f"buildd-test-{os.getpid()}-{time.monotonic_ns()}"
    try:
        group.mkdir()
    except OSError:
        return None
    return group
