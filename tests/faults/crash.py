"""Crash points: a process is killed before and after every statement of every scenario, and nothing is lost.

    python -m tests.faults.crash sqlite --directory DIR [--share 10] [--seed N]
    python -m tests.faults.crash postgres --url URL

A first run of a scenario, which nobody kills, notes every statement that the broker's writers run, and the
whole content of the database after each commit. Then, for each statement and for both sides of it, a
child runs the same scenario on the same database and ends there as by kill -9. What it leaves must
be, row for row, what the last commit left: so all that was answered is there, and of what was not
answered all or nothing. A new broker on it then does what is left of the scenario and ends in the same
state as if nobody had died; its books are in order; and every task comes to an end.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from buildd.broker import Broker
from buildd.errors import BuilddError, InternalError
from buildd.models import Model
from buildd.operations import Operation
from buildd.store import Statement, database_of, sql
from buildd.store.audit import CHECKS
from buildd.store.sql.audit_log import HEAD
from tests.faults.books import wrongs_seen
from tests.faults.fork import KILLED, Say, live
from tests.faults.hand import Hand
from tests.faults.places import Place, PostgresPlace, SqlitePlace
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.seam import Step, faulty
from tests.faults.snapshot import Reader

BEFORE, AFTER = "before", "after"
EMPTY = "empty"


@dataclass
class Trace:
    """What a scenario does when nobody interrupts it."""

    statements: list[str] = field(default_factory=list)
    states: list[list[str]] = field(default_factory=list)
    """The content of the database at first and after each commit."""
    answered: list[int] = field(default_factory=list)
    """How many commits there were when each step was answered."""
    problems: list[str] = field(default_factory=list)

    def points(self) -> Iterator[tuple[int, str]]:
        """Every place to die at."""
        for number in range(len(self.statements)):
            yield number, BEFORE
            yield number, AFTER

    def commits(self, number: int, side: str) -> int:
        """How many commits are done at a place."""
        return self.statements[: number + (side == AFTER)].count("COMMIT")


class Tracer:
    """Notes statements, and states as they are committed."""

    def __init__(self, url: str) -> None:
        self.trace = Trace()
        self.armed = False
        self._reader = Reader(url)

    def arm(self) -> None:
        self.trace.states.append(self._reader.snapshot())
        self.armed = True

    def __call__(self, text: str, step: Step) -> Any:
        result = step()
        if self.armed:
            self.trace.statements.append(text)
            if text == "COMMIT":
                self.trace.states.append(self._reader.snapshot())
                self.trace.problems += wrongs_seen(self._reader)
        return result


class Killer:
    """Ends the process at one place."""

    def __init__(self, number: int, side: str) -> None:
        self.armed = False
        self._left = number
        self._side = side

    def __call__(self, text: str, step: Step) -> Any:
        if not self.armed:
            return step()
        here = self._left == 0
        self._left -= 1
        if here and self._side == BEFORE:
            os._exit(KILLED)
        result = step()
        if here:
            os._exit(KILLED)
        return result


@dataclass(frozen=True)
class Stage:
    """A scenario with all that stands before it, ready to be copied."""

    place: Place
    name: str
    book: dict[str, Any]

    @property
    def scenario(self) -> Scenario:
        return SCENARIOS[self.name]

    def trace(self) -> Trace:
        """Run it once without harm."""
        url = self._set()

        def work(say: Say) -> None:
            tracer = Tracer(url)
            hand = Hand(faulty(url, tracer, writers=1), self.book)
            tracer.arm()
            for number in range(len(self.scenario.steps)):
                self._step(hand, number)
                tracer.trace.answered.append(tracer.trace.statements.count("COMMIT"))
            say(tracer.trace)
            hand.close()

        life = live(work)
        if life.code:
            raise SystemExit(f"{self.name}: fails even when nobody is killed")
        trace: Trace = life.said[0]
        return trace

    def die(self, trace: Trace, number: int, side: str) -> list[str]:
        """Run it up to a place, die there, and tell what is wrong afterwards."""
        url = self._set()
        killer = Killer(number, side)

        def work(say: Say) -> None:
            hand = Hand(faulty(url, killer, writers=1), self.book)
            killer.armed = True
            for step in range(len(self.scenario.steps)):
                self._step(hand, step)
                say(hand.book)

        life = live(work)
        if life.code != KILLED:
            return [f"was to die there, and ended with {life.code}"]
        books = [self.book, *life.said]

        def check(say: Say) -> None:
            say(self._check(trace, trace.commits(number, side), url, books))

        checked = live(check)
        return checked.said[0] if checked.code == 0 else ["the restarted broker failed: see above"]

    def _set(self) -> str:
        self.place.restore(self.name)
        return self.place.url

    def _check(
        self, trace: Trace, commits: int, url: str, books: list[dict[str, Any]]
    ) -> list[str]:
        acknowledged = len(books) - 1
        if commits < acknowledged:
            return [f"{acknowledged} steps were answered after {commits} commits"]
        reader = Reader(url)
        left = reader.snapshot()
        if left != trace.states[commits]:
            return [f"not as after commit {commits}: {_difference(trace.states[commits], left)}"]
        hand = Hand(faulty(url, lambda _, step: step(), writers=1), books[-1])
        problems = self._go_on(hand, trace, commits, acknowledged, reader)
        problems += wrongs_seen(reader) or hand.finish_everything() or wrongs_seen(reader)
        hand.close()
        return problems

    def _go_on(
        self, hand: Hand, trace: Trace, commits: int, acknowledged: int, reader: Reader
    ) -> list[str]:
        """Do the rest of the scenario, from the first step that was not answered."""
        happened = acknowledged < len(trace.answered) and commits >= trace.answered[acknowledged]
        if happened:
            return self._repeat(hand, acknowledged, trace.states[commits], reader)
        for number in range(acknowledged, len(self.scenario.steps)):
            self._step(hand, number)
        end = reader.snapshot()
        if end != trace.states[-1]:
            return [f"ends otherwise than without a death: {_difference(trace.states[-1], end)}"]
        return []

    def _repeat(self, hand: Hand, number: int, state: list[str], reader: Reader) -> list[str]:
        """Only the answer of a step was lost: doing it once more never breaks, and adds nothing."""
        refused = False
        try:
            self._step(hand, number)
        except InternalError as error:
            return [f"repeating step {number} broke: {error}"]
        except BuilddError:
            refused = True
        after = reader.snapshot()
        if not refused:
            # A call that was accepted once more is on record once more, and that is all.
            state, after = _unrecorded(state), _unrecorded(after)
        if (refused or self.scenario.repeatable) and after != state:
            return [f"repeating step {number} changed something: {_difference(state, after)}"]
        return []

    def _step(self, hand: Hand, number: int) -> None:
        random.seed(number)  # the pauses between attempts are drawn by chance
        self.scenario.steps[number](hand)


def prepare(place: Place, name: str) -> Stage:
    """Do what stands before a scenario."""
    place.restore(EMPTY)

    def work(say: Say) -> None:
        hand = Hand(faulty(place.url, lambda _, step: step(), writers=1), {})
        for each in SCENARIOS[name].before:
            each(hand)
        hand.close()
        say(hand.book)

    life = live(work)
    if life.code:
        raise SystemExit(f"{name}: cannot be prepared")
    place.save(name)
    return Stage(place, name, life.said[0])


@dataclass
class Report:
    """What a campaign found."""

    database: str
    scenarios: int = 0
    points: int = 0
    """Places to die at."""
    deaths: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: float = 0

    def __str__(self) -> str:
        return (
            f"{self.database}: {self.scenarios} scenarios, {self.points} crash points, {self.deaths} deaths,"
            f" {len(self.problems)} violations, {self.seconds:.0f} s"
        )


def _compile(place: Place) -> None:
    """Compile every statement and build every model once, rather than in each of thousands of children."""
    for root in (Model, Operation):
        for model in _kinds_of(root):
            model.model_rebuild()
    dialect = database_of(place.url).dialect
    for module in pkgutil.iter_modules(sql.__path__, f"{sql.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            for each in value.values() if isinstance(value, dict) else [value]:
                if isinstance(each, Statement):
                    each.compiled(dialect)
    for check in CHECKS.values():
        check.compiled(dialect)


def _kinds_of(root: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in root.__subclasses__():
        yield each
        yield from _kinds_of(each)


def campaign(place: Place, share: int, seed: int) -> Report:
    """Die at every `share`-th place of all scenarios; the seed says with which to begin."""
    report = Report(place.name)
    began = time.monotonic()
    _compile(place)
    live(lambda _: Broker.open(place.url).close())
    place.save(EMPTY)
    for name in SCENARIOS:
        stage = prepare(place, name)
        trace = stage.trace()
        report.scenarios += 1
        report.problems += [f"{name}: {problem}" for problem in trace.problems]
        for number, side in trace.points():
            report.points += 1
            if (report.points + seed) % share == 0:
                report.deaths += 1
                where = f"{name}, {side} {_short(trace.statements[number])} (statement {number})"
                report.problems += [f"{where}: {p}" for p in stage.die(trace, number, side)]
    report.seconds = time.monotonic() - began
    return report


def _unrecorded(lines: list[str]) -> list[str]:
    """The content of a database without its audit log."""
    return [line for line in lines if not line.startswith("audit_entry:") and HEAD not in line]


def _difference(wanted: list[str], found: list[str]) -> str:
    missing = [line for line in wanted if line not in found]
    more = [line for line in found if line not in wanted]
    return f"missing {missing[:3]}, instead {more[:3]}"


def _short(statement: str) -> str:
    return " ".join(statement.split())[:60]


def main() -> None:
    """Print one line for each violation and one for all; exit 1 if there was any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database", choices=["sqlite", "postgres"])
    parser.add_argument("--directory", type=Path, help="where SQLite files go")
    parser.add_argument("--url", help="of an empty Postgres database")
    parser.add_argument("--share", type=int, default=1, help="die at every N-th place only")
    parser.add_argument("--seed", type=int, default=datetime.now(UTC).toordinal())
    given = parser.parse_args()
    place: Place = (
        SqlitePlace(given.directory) if given.database == "sqlite" else PostgresPlace(given.url)
    )
    report = campaign(place, given.share, given.seed)
    for problem in report.problems:
        click.echo(problem)
    click.echo(f"{report} (1 of {given.share}, seed {given.seed})")
    sys.exit(bool(report.problems))


if __name__ == "__main__":
    main()
