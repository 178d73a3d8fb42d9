"""`buildd tasks why` for people: what each account and pool lacks, and what to start where nothing is."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import click

from buildd.cli import _render
from buildd.cli._exits import printable
from buildd.models import AccountWhy, PoolWhy, Reason, ReasonCode, Task, Why
from buildd.states import HELD, TaskStatus

_OF_THE_TASK = {ReasonCode.NOT_READY, ReasonCode.NOT_YET, ReasonCode.NOT_APPROVED}
"""What no account could help: it is said once, for all of them."""


class _Row(NamedTuple):
    account: str
    type: str
    missing: str
    name: str


_COLUMNS = (
    _render.Column("ACCOUNT", lambda row: row.account),
    _render.Column("TYPE", lambda row: row.type, rank=2),
    _render.Column("WHAT IS MISSING", lambda row: row.missing),
    _render.Column("NAME", lambda row: row.name, shrinks=True, rank=1),
)


class _PoolRow(NamedTuple):
    pool: str
    runner: str
    missing: str


_POOLS = (
    _render.Column("POOL", lambda row: row.pool),
    _render.Column("RUNNER", lambda row: row.runner, rank=1),
    _render.Column("WHAT IS MISSING", lambda row: row.missing),
)


def explain(why: Why, task: Task) -> None:
    """Print why a task waits, or that it does not, and on stderr what to do."""
    if why.status is not TaskStatus.PENDING:
        _render.line(f"{task.id} does not wait: it is {why.status.value}")
        click.echo(_afterwards(why.status, task.id), err=True)
        return
    able = [each for each in why.accounts if not each.unmet]
    _render.line(f"{task.id} is {'claimable' if able else 'not claimable now'}")
    if why.accounts:
        _render.table(list(_rows(why.accounts, task)), _COLUMNS)
    else:
        click.echo('No accounts. Make one: buildd accounts create "My laptop"', err=True)
    if why.pools:
        _render.table(list(_pool_rows(why.pools, task)), _POOLS)
    if able and not any(pool.launch or not pool.unmet for pool in why.pools):
        keys = " or ".join(each.account_id for each in able[:3])
        click.echo(f"Start an agent with the key of {keys}:\n  {_agent(task)}", err=True)


def _afterwards(status: TaskStatus, task_id: str) -> str:
    if status in HELD:
        return f"Watch it: buildd tasks watch {task_id}"
    if status is TaskStatus.COMPLETED:
        return f"See what it made: buildd tasks artifacts {task_id}"
    return f"Take it up again: buildd tasks retry {task_id}"


def _agent(task: Task) -> str:
    offers = "".join(f" --capability {shlex.quote(each)}" for each in task.required_capabilities)
    # Capabilities are other people's words: shown for a shell, and not to steer the terminal.
    return printable(f"BUILDD_API_KEY=… buildd-agent --workspace {task.workspace_id}{offers}")


def _rows(accounts: list[AccountWhy], task: Task) -> Iterator[_Row]:
    for reason in accounts[0].unmet:
        if reason.code in _OF_THE_TASK:
            yield _Row("every account", "", _words(reason, task), "")
    for account in accounts:
        own = [_words(each, task) for each in account.unmet if each.code not in _OF_THE_TASK]
        for missing in own or ["nothing else" if account.unmet else "nothing: it may claim it"]:
            yield _Row(account.account_id, account.type.value, missing, account.name)


def _pool_rows(pools: list[PoolWhy], task: Task) -> Iterator[_PoolRow]:
    for pool in pools:
        own = [_words(each, task) for each in pool.unmet if each.code not in _OF_THE_TASK]
        if pool.launch:
            seen = f": {pool.launch.detail}" if pool.launch.detail else ""
            own = [f"nothing: {pool.launch.id} is {pool.launch.status.value}{seen}"]
        ready = "nothing else" if pool.unmet else "nothing: it will start an agent"
        for missing in own or [ready]:
            yield _PoolRow(pool.name, pool.runner, missing)


def _words(reason: Reason, task: Task) -> str:
    more = _figures(reason, task) if reason.limit is not None else _wanted(reason.code, task)
    return f"{reason.message} ({more})" if more else reason.message


def _figures(reason: Reason, task: Task) -> str:
    limit, current = reason.limit or 0, reason.current or 0
    if reason.code not in {ReasonCode.NO_BUDGET, ReasonCode.NO_WORKSPACE_BUDGET}:
        return f"{current:.0f} of {limit:.0f}"
    used = f"{_render.money(current)} of {_render.money(limit)} spent or set aside"
    if task.max_cost is None:
        return used
    return (
        f"{used}, and it may cost {_render.money(max(task.max_cost - task.cost_usd, Decimal(0)))}"
    )


def _wanted(code: ReasonCode, task: Task) -> str:
    if code is ReasonCode.NOT_YET and task.not_before:
        return f"{task.not_before:%Y-%m-%d %H:%M} UTC"
    if code is ReasonCode.NOT_APPROVED:
        return f"buildd tasks approve {task.id}"
    if code is ReasonCode.MISSING_CAPABILITIES:
        return ", ".join(task.required_capabilities)
    return task.runner_preference.value if code is ReasonCode.WRONG_ROUTE else ""
