"""The figures of campaigns as a table that can stand in the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.chaos.campaign import Outcome


def table(outcomes: Sequence[Outcome]) -> str:
    """A Markdown table with a column for each campaign, and below it whatever went wrong."""
    columns = [dict(_figures(outcome)) for outcome in outcomes]
    lines = [
        _line("", [outcome.plan.database for outcome in outcomes]),
        _line("---", ["---:"] * len(outcomes)),
        *(_line(name, [column.get(name, "-") for column in columns]) for name in _names(columns)),
    ]
    wrong = [
        f"{outcome.plan.database}: {promise}: {each}"
        for outcome in outcomes
        for promise, found in outcome.verdict.broken.items()
        for each in found[:10]
    ]
    return "\n".join([*lines, *wrong])


def _figures(outcome: Outcome) -> Iterable[tuple[str, str]]:
    verdict, plan = outcome.verdict, outcome.plan
    yield "seed", str(plan.seed)
    yield "agents", f"{plan.processes * plan.agents} in {plan.processes} processes"
    yield "tasks", str(verdict.tasks)
    yield "attempts", str(verdict.attempts)
    yield "completed", str(verdict.completed)
    yield "events", str(verdict.events)
    yield "faults injected", str(outcome.faults.total())
    for name, count in sorted(outcome.faults.items()):
        yield f"- {name}", str(count)
    for promise, found in verdict.broken.items():
        yield f"**{promise}**", str(len(found))
    servers, agents = outcome.server_recoveries, verdict.recoveries
    yield "a server answers again after kill -9, p50 / p99", _spread(servers)
    yield f"a dead agent's task is free again (lease {plan.ttl:g} s), p50 / p99", _spread(agents)
    yield "seconds", f"{outcome.seconds:.0f}"


def _spread(seconds: Sequence[float]) -> str:
    """The median and the 99th percentile; of fewer than a hundred, that is the longest."""
    if not seconds:
        return "-"
    last = len(seconds) - 1
    return f"{seconds[last // 2]:.1f} / {seconds[round(last * 0.99)]:.1f} s ({len(seconds)})"


def _names(columns: Sequence[dict[str, str]]) -> list[str]:
    longest = max(columns, key=len)
    others = [name for column in columns for name in column if name not in longest]
    return [*longest, *dict.fromkeys(others)]


def _line(name: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([name, *cells])} |"
