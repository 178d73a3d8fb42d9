"""The server's log on standard error: JSON lines for machines, readable lines at a terminal.

What is logged may be a stranger's text. None of it can forge a line or reach a terminal's controls,
and every line, whoever logs it, goes through the redactor.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, TextIO
from urllib.parse import parse_qs, unquote, urlsplit

import structlog
from structlog.stdlib import ProcessorFormatter

from buildd.redaction import Redactor, looks_secret
from buildd_server.dashboard import ASSET
from buildd_server.settings import LogFormat, Settings
from buildd_server.watching import Exchange

Fields = MutableMapping[str, Any]

OURS = ("buildd", "buildd_server", "buildd_runners")
"""The loggers that the level applies to; others are heard from warnings on."""
QUIET = frozenset({"/health", "/ready", "/metrics", ASSET})
"""What monitors ask every few seconds, and the files of a page; logged for those only who want everything."""

_PATH_LENGTH = 200
# What would end a line, move a cursor, or turn the direction of the text around it.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_FIRST = ("time", "level", "logger", "message")
_STAMP = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")


def set_up(settings: Settings, stream: TextIO | None = None) -> Callable[[Exchange], None]:
    """Have everything that is logged in this process written; the answer writes the access lines."""
    out = sys.stderr if stream is None else stream
    redactor = Redactor.of(settings.environ, *_secrets(settings))

    def redacted(_logger: object, _name: str, line: str) -> str:
        return redactor.redact_whole(line)

    wanted = settings.log_format or (LogFormat.TEXT if out.isatty() else LogFormat.JSON)
    render = [structlog.processors.EventRenamer("message"), _RENDER[wanted], redacted]
    _take_over(out, settings.log_level, render)
    lines = structlog.wrap_logger(
        structlog.WriteLogger(out),
        processors=[structlog.processors.add_log_level, _STAMP, *render],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
    ).bind(logger="buildd.access")
    return lambda exchange: _write(lines, exchange)


def _take_over(out: TextIO, level: int, render: list[Any]) -> None:
    """Whatever Python has to say goes the same way: logging, warnings, threads that die."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.contextvars.merge_contextvars,
                _STAMP,
            ],
            processors=[
                ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=True)
    threading.excepthook = _thread_died


def _thread_died(died: threading.ExceptHookArgs) -> None:
    if died.exc_value is not None:
        name = died.thread.name if died.thread else "?"
        problem = (died.exc_type, died.exc_value, died.exc_traceback)
        logging.getLogger("buildd.server").error("the thread %s died", name, exc_info=problem)


def _secrets(settings: Settings) -> list[str]:
    """What must not be shown, also where it came from a file or stands in the database's URL."""
    given = _passwords(settings.database)
    keys = [settings.admin_key or "", (settings.secret or b"").decode()]
    github = [value for name, value in settings.github.items() if looks_secret(name)]
    return [*given, *map(unquote, given), *keys, *github]


def _passwords(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        return [parts.password or "", *parse_qs(parts.query).get("password", [])]
    except ValueError:
        return [url]  # It is none, which the store says as soon as it is opened.


def _write(lines: Any, exchange: Exchange) -> None:
    write = lines.debug if exchange.route in QUIET else lines.info
    path = exchange.path[:_PATH_LENGTH]
    with suppress(OSError, ValueError):  # Nobody reads the log any more; the work goes on.
        write(
            f"{exchange.method} {path} {exchange.status}",
            method=exchange.method,
            route=exchange.route,
            path=path,
            status=exchange.status,
            ms=round(exchange.seconds * 1000, 1),
            bytes=exchange.bytes,
            **{name: value for name, value in exchange.caller().items() if value is not None},
        )


def _as_text(_logger: object, _name: str, fields: Fields) -> str:
    """`2026-01-31T08:00:00Z WARNING buildd.feed: what happened field=value`, and a traceback below."""
    at, level, logger, message = (fields.pop(name, "") for name in _FIRST)
    trace = fields.pop("exception", "")
    more = "".join(f" {name}={value}" for name, value in fields.items())
    line = _one_line(f"{at} {level.upper()} {logger}: {message}{more}")
    # Only what is logged begins at the margin.
    return "\n    ".join([line, *map(_one_line, trace.splitlines())])


def _one_line(text: str) -> str:
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _as_json(_logger: object, _name: str, fields: Fields) -> str:
    """An object on one line. All that is not plain ASCII is escaped, and with it every control."""
    first = {name: fields[name] for name in _FIRST if name in fields}
    return json.dumps({**first, **fields}, default=str)


_RENDER: Mapping[LogFormat, Any] = {LogFormat.JSON: _as_json, LogFormat.TEXT: _as_text}
