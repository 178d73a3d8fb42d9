"""buildd's own executors, runners, forge and source, registered through the same door as a stranger's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildd.plugins import hookimpl

if TYPE_CHECKING:
    from buildd.plugins.hookspecs import (
        Config,
        RegisterExecutor,
        RegisterForge,
        RegisterRunner,
        RegisterSource,
    )
    from buildd.roles import Executor, Forge, Runner, Source


@hookimpl
def register_executors(register: RegisterExecutor) -> None:
    """`claude`: a model of the Messages API; `claude-code`; `command`; `function`."""
    register("claude", _claude)
    register("claude-code", _claude_code)
    register("command", _command)
    register("function", _function)


@hookimpl
def register_runners(register: RegisterRunner) -> None:
    """`coder`: workspaces; `github_actions`: runs of a workflow; `local`: here; `vm`: another one, by SSH."""
    register("github_actions", _github_actions)
    register("coder", _coder)
    register("local", _local)
    register("vm", _vm)


@hookimpl
def register_forges(register: RegisterForge) -> None:
    """`github`: github.com, or an installation of one's own."""
    register("github", _github)


@hookimpl
def register_sources(register: RegisterSource) -> None:
    """`github`: the issues of a repository."""
    register("github", _github_issues)


def _claude(config: Config) -> Executor:
    from buildd_runners.claude.executor import ClaudeExecutor

    return ClaudeExecutor.from_config(config)


def _claude_code(config: Config) -> Executor:
    from buildd_runners.claude_code.executor import ClaudeCodeExecutor

    return ClaudeCodeExecutor.from_config(config)


def _command(config: Config) -> Executor:
    from buildd_runners.command import CommandExecutor

    return CommandExecutor.from_config(config)


def _function(config: Config) -> Executor:
    from buildd.agent.function import FunctionExecutor
    from buildd.agent.handlers import find_handler
    from buildd.errors import ConfigError

    where = config.get("handler")
    if not isinstance(where, str):
        raise ConfigError("the executor `function` needs one: --handler MODULE[:FUNCTION]")
    return FunctionExecutor(find_handler(where))


def _coder(config: Config) -> Runner:
    from buildd_runners.coder.runner import CoderRunner

    return CoderRunner.from_config(config)


def _github_actions(config: Config) -> Runner:
    from buildd_runners.github.actions import ActionsRunner

    return ActionsRunner.from_config(config)


def _local(config: Config) -> Runner:
    from buildd_runners.local import LocalRunner

    return LocalRunner.from_config(config)


def _vm(config: Config) -> Runner:
    from buildd_runners.vm.runner import VmRunner

    return VmRunner.from_config(config)


def _github(config: Config) -> Forge:
    from buildd_runners.github.pulls import GitHubForge

    return GitHubForge.from_config(config)


def _github_issues(config: Config) -> Source:
    from buildd_runners.github.issues import GitHubIssues

    return GitHubIssues.from_config(config)
