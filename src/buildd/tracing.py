"""Spans, from a task's creation to its end, where somebody collects them; everywhere else, nothing.

They are drawn where an endpoint for OpenTelemetry is set (`OTEL_EXPORTER_OTLP_ENDPOINT`) and the extra
`buildd[otel]` is installed. Else nothing of it is loaded. What a span says are ids, never text.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

HEADER = "traceparent"
"""Where requests carry the span that they are part of: W3C Trace Context."""
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

log = logging.getLogger("buildd.tracing")


class Span(Protocol):
    """Something that takes time, and is part of something larger."""

    @property
    def traceparent(self) -> str | None:
        """How what it causes elsewhere names it."""
        ...

    def rename(self, name: str) -> None:
        """Give it the name that is known by now."""
        ...

    def tell(self, **facts: str | int | None) -> None:
        """Add ids and numbers."""
        ...

    def end(self, error: BaseException | None = None) -> None:
        """It is over."""
        ...


class Tracer(Protocol):
    """What draws spans, where they are wanted."""

    def begin(self, name: str, parent: str | None, *, server: bool) -> Span:
        """A span below the named one, or else below the one around this code."""
        ...

    @contextmanager
    def around(self, span: Span) -> Iterator[None]:
        """Have what the block begins be part of the span."""
        ...

    def current(self) -> str | None:
        """The span around this code."""
        ...

    def record(
        self, name: str, parent: str, since: datetime, until: datetime, **facts: str | int | None
    ) -> None:
        """Draw a span that is over."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


class _Nothing:
    """The span where none is wanted."""

    traceparent = None

    def rename(self, name: str) -> None:
        pass

    def tell(self, **facts: str | int | None) -> None:
        pass

    def end(self, error: BaseException | None = None) -> None:
        pass


_tracer: Tracer | None = None
_NOTHING = _Nothing()


def set_up(service: str, environ: Mapping[str, str]) -> Callable[[], None]:
    """Draw spans from now on, if the environment asks for it; the answer ends that."""
    global _tracer  # noqa: PLW0603 - one for the process, as its environment is
    wanted = any(environ.get(name, "").strip() for name in _ENDPOINTS)
    if not wanted or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return lambda: None
    try:
        from buildd.otel import OpenTelemetry
    except ImportError:
        log.warning("no traces are sent: pip install 'buildd[otel]'")
        return lambda: None
    _tracer = OpenTelemetry(environ.get("OTEL_SERVICE_NAME") or service)
    return _close


def tracer() -> Tracer | None:
    """What draws spans in this process, if anything does."""
    return _tracer


@contextmanager
def span(
    name: str, *, parent: str | None = None, server: bool = False, **facts: str | int | None
) -> Iterator[Span]:
    """A span while the block runs, around all that it begins."""
    if _tracer is None:
        yield _NOTHING
        return
    drawn = _tracer.begin(name, parent, server=server)
    drawn.tell(**facts)
    problem: BaseException | None = None
    try:
        with _tracer.around(drawn):
            yield drawn
    except BaseException as error:
        problem = error
        raise
    finally:
        drawn.end(problem)


def headers() -> dict[str, str]:
    """What a request says of the span that it is part of."""
    here = _tracer.current() if _tracer else None
    return {} if here is None else {HEADER: here}


def understood(traceparent: str | None) -> str | None:
    """A caller's word for its span, if it is one."""
    return traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None


def _close() -> None:
    global _tracer  # noqa: PLW0603 - see above
    if _tracer is not None:
        _tracer.close()
    _tracer = None
