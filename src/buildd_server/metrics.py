"""`/metrics` for Prometheus: what this process does, and how the whole installation stands.

It needs no key, so it names nobody: no ids, no names, no money of one account. What comes from the
database is the same on every server of an installation, and asked for every few seconds at most.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from time import monotonic
from typing import SupportsFloat

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from buildd import errors
from buildd.broker import Broker
from buildd.broker.figures import Figures, Load, Standing
from buildd.figures import Spread
from buildd_server.waiting import settled
from buildd_server.watching import Exchange

FRESH_SECONDS = 5.0
"""How long the database's answer is good for, however many ask."""
ANSWER_SECONDS = 5.0
_REFUSED = {
    HTTPStatus.UNAUTHORIZED: "not_authenticated",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limited",
}
_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)

log = logging.getLogger("buildd.server")


class Metrics:
    """The figures of one server, in a registry of its own."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._asking = asyncio.Lock()
        self._asked = -FRESH_SECONDS
        self._standing: Standing | None = None
        # They double the series, and nobody looks at them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registry.register(self)
        self._requests = Histogram(
            "buildd_http_request_seconds",
            "Time until the answer to a request began, by method, route and class of status.",
            ("method", "route", "status"),
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._refused = Counter(
            "buildd_http_refused",
            "Requests refused for who sent them, or how many.",
            ("reason",),
            registry=self._registry,
        )
        for reason in _REFUSED.values():
            self._refused.labels(reason)

    def note(self, exchange: Exchange) -> None:
        """Count an exchange that is over."""
        status = f"{exchange.status // 100}xx" if exchange.status else "none"
        self._requests.labels(exchange.method, exchange.route, status).observe(exchange.waited)
        if exchange.status in _REFUSED:
            self._refused.labels(_REFUSED[HTTPStatus(exchange.status)]).inc()

    async def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        await self._ask()
        return await asyncio.to_thread(generate_latest, self._registry)

    def describe(self) -> list[Metric]:
        """Nothing in advance: the registry would collect everything to find out the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What the broker counts itself, as Prometheus has it."""
        yield _gauge("database_up", "Whether the database answered.", self._standing is not None)
        yield _gauge("feed_position", "The seq of the feed's last event.", self._broker.position)
        yield from _of_load(self._broker.load())
        yield from _of_figures(self._broker.figures)
        if self._standing is not None:
            yield from _of_standing(self._standing)

    async def _ask(self) -> None:
        async with self._asking:
            if monotonic() - self._asked < FRESH_SECONDS:
                return
            self._standing = None
            with suppress(errors.BuilddError, TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    self._standing = await settled(self._broker.standing())
            self._asked = monotonic()


def _of_load(load: Load) -> Iterator[Metric]:
    yield _gauge("claims_waiting", "Claims that wait for a task.", load.claims)
    yield _gauge("feed_listeners", "Event streams and plugins that listen.", load.listeners)
    yield _gauge("writer_queue", "Operations that wait for a writer.", load.writes)
    yield _histogram("writer_batch", "Operations committed together.", load.batches)


def _of_figures(figures: Figures) -> Iterator[Metric]:
    call, wait = figures.claim_seconds.spread(), figures.task_wait_seconds.spread()
    yield _histogram("claim_seconds", "Time that one try of a claim took.", call)
    yield _histogram("task_wait_seconds", "Time from a task's creation to its first claim.", wait)
    ended, failed = figures.tasks_ended.counts(), figures.attempts_failed.counts()
    yield _counters("tasks_ended", "Tasks that ended.", "outcome", ended)
    yield _counters("attempts_failed", "Attempts without a result.", "code", failed)
    over = figures.launches_ended.counts()
    yield _counters("launches_ended", "Launches that are over.", "status", over)


def _of_standing(now: Standing) -> Iterator[Metric]:
    depth = {route: queue.tasks for route, queue in now.claimable.items()}
    age = {route: queue.oldest_seconds for route, queue in now.claimable.items()}
    yield _gauges("tasks_claimable", "Tasks to be claimed.", "runner_preference", depth)
    yield _gauges("oldest_task_seconds", "Age of the oldest of them.", "runner_preference", age)
    yield _gauges("workers", "Attempts that hold a task.", "status", now.workers)
    yield _gauges("launches", "Launches that are not over.", "status", now.launches)
    yield _gauges("pools", "Enabled pools, and those of them in trouble.", "state", now.pools)
    yield _gauges("hooks", "Hooks, by whether they are heard.", "state", now.hooks)
    meaning = "Messages to hooks and sources: open, or given up within the hour."
    yield _gauges("deliveries", meaning, "status", now.deliveries)
    yield _gauge("agents", "Agents heard of within a minute.", now.agents)
    spent = CounterMetricFamily("buildd_spent_dollars", "US dollars spent, ever.")
    spent.add_metric([], float(now.spent))
    yield spent
    yield _gauge("spent_today_dollars", "US dollars spent this UTC day.", now.spent_today)
    yield _gauge("reserved_today_dollars", "US dollars set aside now.", now.reserved_today)
    yield _gauge("feed_lag_events", "Committed, and not handed on here.", now.events_behind)
    yield _gauge("feed_lag_seconds", "Age of the oldest of them.", now.seconds_behind)


def _gauge(name: str, meaning: str, value: SupportsFloat) -> Metric:
    return GaugeMetricFamily(f"buildd_{name}", meaning, value=float(value))


def _gauges(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"buildd_{name}", meaning, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def _counters(name: str, meaning: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"buildd_{name}", meaning, labels=[label])
    for key, count in sorted(counts.items()):
        family.add_metric([key], count)
    return family


def _histogram(name: str, meaning: str, spread: Spread) -> Metric:
    family = HistogramMetricFamily(f"buildd_{name}", meaning)
    buckets = [(f"{float(bound)}", float(count)) for bound, count in spread.up_to]
    family.add_metric([], [*buckets, ("+Inf", float(spread.number))], spread.total)
    return family
