"""The places where pools start agents in these tests: real agent processes, behind far ends of each kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from tests.dispatch.installation import Installation, open_installation
from tests.runners.coder_workspace import Workspace
from tests.runners.fake_coder import TOKEN, Coder

_SSH = """\
#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift 2
exec sh -c "exec $*"
"""

Place = Callable[[Path], AbstractContextManager[tuple[Installation, str]]]
"""Given a directory: an installation with one pool, and the workspace that the pool works for."""


@contextmanager
def local(directory: Path) -> Iterator[tuple[Installation, str]]:
    """Processes on this machine."""
    with open_installation(directory) as made:
        yield made, made.pool("local", {})


@contextmanager
def vm(directory: Path) -> Iterator[tuple[Installation, str]]:
    """Another machine, which is this one behind a client that takes the place of OpenSSH's."""
    programs = directory / "bin"
    programs.mkdir(parents=True)
    (programs / "ssh").write_text(_SSH)
    (programs / "ssh").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    with open_installation(directory, PATH=path) as made:
        config = {
            "host": "127.0.0.1",
            "python": sys.executable,
            "state_dir": str(directory / "vm"),
        }
        yield made, made.pool("vm", config)


class Workspaces:
    """What Coder's own agent does in a workspace: it runs the template's scripts."""

    def __init__(self, coder: Coder, directory: Path) -> None:
        self._coder = coder
        self._directory = directory
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        coder.started = self._start
        coder.ending = self._drain

    def _start(self, workspace: Workspace) -> None:
        home = self._directory / workspace.name
        home.mkdir()
        given = workspace.parameters
        agent = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "buildd.cli.agent",
                *json.loads(given["buildd_arguments"]),
            ],
            cwd=home,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "BUILDD_SERVER": given["buildd_server"],
                "BUILDD_API_KEY": given["buildd_key"],
            },
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._running[workspace.id] = agent
        threading.Thread(target=self._watch, args=[workspace, agent], daemon=True).start()

    def _watch(self, workspace: Workspace, agent: subprocess.Popen[bytes]) -> None:
        agent.wait()
        with self._coder.lock:
            workspace.agent, workspace.lifecycle = "disconnected", "off"

    def _drain(self, workspace: Workspace) -> None:
        agent = self._running.get(workspace.id)
        if agent is not None:
            agent.terminate()


@contextmanager
def coder(directory: Path) -> Iterator[tuple[Installation, str]]:
    """Workspaces of a Coder on loopback."""
    directory.mkdir(parents=True, exist_ok=True)
    with Coder() as far, open_installation(directory, CODER_SESSION_TOKEN=TOKEN) as made:
        Workspaces(far, directory)
        yield made, made.pool("coder", {"url": far.url, "template": "buildd"})


@contextmanager
def github(directory: Path) -> Iterator[tuple[Installation, str]]:
    """Runs of the workflow that we ship, on a GitHub on loopback, whose machines are this one."""
    from tests.github.far_end import TOKEN as GITHUB_TOKEN
    from tests.runners.actions_machine import Machine
    from tests.runners.actions_world import ActionsWorld

    with ActionsWorld(directory / "remotes", "repository_dispatch") as world:
        given: dict[str, Any] = {
            "BUILDD_GITHUB_TOKEN": GITHUB_TOKEN,
            "BUILDD_GITHUB_API": world.github.api,
        }
        with open_installation(directory, **given) as made:
            machine = Machine(world, directory / "machine")
            workspace = made.bd.workspaces.create(name="shop")
            account = made.bd.accounts.create(type="action", name="ci", github_id="acme/shop")
            made.bd.accounts.grant(account_id=account.id, workspace_id=workspace.id)
            machine.known = {
                "secrets.BUILDD_SERVER": made.url,
                "vars.BUILDD_SERVER": made.url,
                "secrets.BUILDD_API_KEY": account.api_key,
            }
            machine.extra = {"BUILDD_COMMAND": "true"}
            yield made, workspace.id
            machine.wait()


PLACES: dict[str, Place] = {"local": local, "vm": vm, "coder": coder, "github_actions": github}
