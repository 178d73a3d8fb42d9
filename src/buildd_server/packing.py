"""Long answers are compressed for whoever can read that: lists of tasks shrink to a tenth."""

from __future__ import annotations

import gzip
import re

from starlette.requests import Request

PACKED = {"content-encoding": "gzip"}
LONG = 8192
"""Bytes from which an answer is compressed. None that holds a key is as long, so no length tells of one."""

_TAKES_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_QUICKLY = 1
"""Half as small again would take four times as long, in which the server does nothing else."""


def takes_gzip(request: Request) -> bool:
    """Whether who asks can read what is compressed."""
    return _TAKES_GZIP.search(request.headers.get("accept-encoding", "")) is not None


def packed(body: bytes, request: Request) -> tuple[bytes, dict[str, str]]:
    """An answer as it is to be sent, and what its headers must say of that."""
    if len(body) < LONG:
        return body, {}
    vary = {"vary": "accept-encoding"}
    if not takes_gzip(request):
        return body, vary
    return gzip.compress(body, _QUICKLY, mtime=0), {**PACKED, **vary}
