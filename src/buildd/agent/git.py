"""The git command, run so that nothing a task wrote can make it run anything else.

Arguments are lists, hooks and file-system monitors are off, what else a repository's configuration
would have it run is replaced, it never asks for a password, and its environment holds none of the
agent's secrets.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import anyio

from buildd.agent import process
from buildd.agent.defence import overrides
from buildd.errors import ConfigError

_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.quotePath": "false",
    "commit.gpgSign": "false",
    "push.gpgSign": "false",
    "push.recurseSubmodules": "no",
    "log.showSignature": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.ext.allow": "never",
    "submodule.recurse": "false",
}

# What git and its transports need of the person's own set-up, and no more.
_PASSED = re.compile(
    r"PATH|HOME|USER|LOGNAME|TMPDIR|XDG_CONFIG_HOME|SSH_\w+|GIT_(SSH|SSL|CONFIG|ASKPASS)\w*"
    r"|SSL_CERT_\w+|(?i:https?|all|no)_proxy"
)

_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_EDITOR": "true",
    "GIT_NO_REPLACE_OBJECTS": "1",
    # A look, even one that is broken off, leaves no lock in the way of what runs beside it.
    "GIT_OPTIONAL_LOCKS": "0",
    # A transfer that stands still for a minute is given up instead of holding the task for ever.
    "GIT_HTTP_LOW_SPEED_LIMIT": "1000",
    "GIT_HTTP_LOW_SPEED_TIME": "60",
}


_NETWORK = {"fetch", "push", "remote"}
_PATIENCE = 900.0
"""Seconds for a command that needs no network: a pipe where git expects a file would hold it for ever."""


class GitFailed(Exception):
    """git refused; the message is git's own line."""


async def git(
    *arguments: str, at: Path, stdin: str = "", environment: Mapping[str, str] | None = None
) -> str:
    """Run git in a directory and return what it printed, without the final newline.

    Raises `GitFailed` with git's own last words, or `ConfigError` if git is not installed.
    """
    done = await _run(arguments, at, stdin, environment or {})
    if done.returncode != 0:
        raise GitFailed(_said(done.stderr) or f"git {arguments[0]} ended with {done.returncode}")
    return done.stdout.decode(errors="replace").rstrip("\n")


async def git_into(file: IO[bytes], *arguments: str, at: Path) -> None:
    """Run git in a directory, with what it prints going to a file. Raises as `git` does."""
    done = await _run(arguments, at, "", {}, file)
    if done.returncode != 0:
        raise GitFailed(_said(done.stderr) or f"git {arguments[0]} ended with {done.returncode}")


async def succeeds(*arguments: str, at: Path) -> bool:
    """Whether git answers a yes-or-no question with yes."""
    return (await _run(arguments, at, "", {})).returncode == 0


async def ask(*arguments: str, at: Path) -> str | None:
    """What git answers, or None where it says no."""
    done = await _run(arguments, at, "", {})
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


async def _run(
    arguments: tuple[str, ...],
    at: Path,
    stdin: str,
    extra: Mapping[str, str],
    stdout: IO[bytes] | int = subprocess.PIPE,
) -> subprocess.CompletedProcess[bytes]:
    environment = {**_environment(at), **extra}
    asked = ("config", "--list", "--null", "--show-scope", "--includes")
    # Where there is no repository, there is nothing to distrust.
    listing = await _execute(asked, at, "", environment, subprocess.PIPE)
    distrust: list[str] = []
    for name, value in overrides(os.fsdecode(listing.stdout)):
        # Not `-c`: a name may have an equals sign in it.
        variable = f"BUILDD_GIT_{len(distrust)}"
        distrust.append(f"--config-env={name}={variable}")
        environment[variable] = value
    return await _execute((*distrust, *arguments), at, stdin, environment, stdout)


async def _execute(
    arguments: tuple[str, ...],
    at: Path,
    stdin: str,
    environment: Mapping[str, str],
    stdout: IO[bytes] | int,
) -> subprocess.CompletedProcess[bytes]:
    settings = [part for pair in _SETTINGS.items() for part in ("-c", "=".join(pair))]
    patience = None if _NETWORK & {*arguments} else _PATIENCE
    try:
        with anyio.fail_after(patience):
            return await process.run(
                ["git", *settings, *arguments],
                cwd=at,
                environment=environment,
                stdin=stdin.encode(),
                stdout=stdout,
            )
    except TimeoutError:
        raise GitFailed(f"git took longer than {_PATIENCE:.0f} seconds") from None
    except FileNotFoundError:
        raise _missing(at) from None


def _environment(at: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)}
    # A linked worktree is where it is, whatever its configuration says.
    here = {"GIT_WORK_TREE": str(at)} if (at / ".git").is_file() else {}
    return {**inherited, **_ENVIRONMENT, **here}


def _missing(at: Path) -> Exception:
    if not at.is_dir():
        return GitFailed(f"the directory {at} is gone")
    return ConfigError("git is not installed, or not in PATH")


def _said(stderr: bytes) -> str:
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    # The first complaint is about the cause, the ones after it about its consequences.
    told = [
        line for line in lines if line.startswith(("fatal:", "error:", "remote:", "ssh:", "! "))
    ]
    return (told or lines or [""])[0][:500]
