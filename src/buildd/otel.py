"""The only code that knows OpenTelemetry; loaded where traces are wanted (`buildd.tracing`)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from buildd.errors import BuilddError
from buildd.tracing import HEADER, Span

FLUSH_SECONDS = 3.0
"""How long the end of a process waits for what is left to be sent."""

_W3C = TraceContextTextMapPropagator()


class OpenTelemetry:
    """Sends spans to where the environment says, in the way that the SDK documents."""

    def __init__(self, service: str) -> None:
        resource = Resource.create({SERVICE_NAME: service})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("buildd")

    def begin(self, name: str, parent: str | None, *, server: bool) -> Span:
        """A span below the named one, or else below the one around this code."""
        kind = SpanKind.SERVER if server else SpanKind.INTERNAL
        return _Drawn(self._tracer.start_span(name, _below(parent), kind))

    @contextmanager
    def around(self, span: Span) -> Iterator[None]:
        """Have what the block begins be part of the span."""
        assert isinstance(span, _Drawn)
        # An exception's words may be anybody's text, so they are not recorded.
        with trace.use_span(span.drawn, record_exception=False, set_status_on_exception=False):
            yield

    def current(self) -> str | None:
        """The span around this code."""
        return _named(None)

    def record(
        self, name: str, parent: str, since: datetime, until: datetime, **facts: str | int | None
    ) -> None:
        """Draw a span that is over."""
        start = _nanoseconds(since)
        drawn = self._tracer.start_span(name, _below(parent), start_time=start)
        _Drawn(drawn).tell(**facts)
        drawn.end(max(start, _nanoseconds(until)))

    def close(self) -> None:
        """Send what is left."""
        # The SDK would go on trying for many seconds, and at the interpreter's exit once more.
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(FLUSH_SECONDS)


class _Drawn:
    """One of OpenTelemetry's spans."""

    def __init__(self, drawn: trace.Span) -> None:
        self.drawn = drawn

    @property
    def traceparent(self) -> str | None:
        """How what it causes elsewhere names it."""
        return _named(trace.set_span_in_context(self.drawn))

    def rename(self, name: str) -> None:
        """Give it the name that is known by now."""
        self.drawn.update_name(name)

    def tell(self, **facts: str | int | None) -> None:
        """Add ids and numbers."""
        for name, value in facts.items():
            if value is not None:
                self.drawn.set_attribute(f"buildd.{name}", value)

    def end(self, error: BaseException | None = None) -> None:
        """It is over; of what went wrong it says the kind."""
        if error is not None:
            kind = error.code if isinstance(error, BuilddError) else type(error).__name__
            self.drawn.set_attribute("error.type", kind)
            self.drawn.set_status(Status(StatusCode.ERROR))
        self.drawn.end()


def _below(parent: str | None) -> Context | None:
    return None if parent is None else _W3C.extract({HEADER: parent})


def _named(context: Context | None) -> str | None:
    carrier: dict[str, Any] = {}
    _W3C.inject(carrier, context)
    return carrier.get(HEADER)


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
