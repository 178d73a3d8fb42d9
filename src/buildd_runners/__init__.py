"""buildd's own executors and runners, registered through the same door as a stranger's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildd.plugins import hookimpl

if TYPE_CHECKING:
    from buildd.plugins.hookspecs import Config, RegisterExecutor, RegisterRunner
    from buildd.roles import Executor, Runner


@hookimpl
def register_executors(register: RegisterExecutor) -> None:
    """`command`: any program."""
    register("command", _command)


@hookimpl
def register_runners(register: RegisterRunner) -> None:
    """`local`: processes on this machine."""
    register("local", _local)


def _command(config: Config) -> Executor:
    from buildd_runners.command import CommandExecutor

    return CommandExecutor.from_config(config)


def _local(config: Config) -> Runner:
    from buildd_runners.local import LocalRunner

    return LocalRunner.from_config(config)
