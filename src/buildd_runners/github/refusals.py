"""What GitHub's errors mean to buildd: try later, or tell the operator what to mend."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from github import BadAttributeException, GithubException, RateLimitExceededException
from pydantic import ValidationError

from buildd.errors import BuilddError, ForgeRefused, RateLimited, Unavailable

log = logging.getLogger(__name__)

_LENGTH = 300
_LATER = 60
_LATEST = 3600
_MEANING: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "it does not accept the server's credentials",
    HTTPStatus.FORBIDDEN: "the server's credentials do not allow that",
}
_NO_REPOSITORY = "there is no such repository, or the credentials do not reach it"


@contextmanager
def explained(missing: str = _NO_REPOSITORY) -> Iterator[None]:
    """Turn what PyGithub raises into errors of buildd's own, with no credential in them.

    `missing` tells what GitHub does not have, or does not show, where it says no more than that.
    """
    try:
        yield
    except GithubException as problem:
        raise _error(problem, missing) from None
    except (AttributeError, TypeError, KeyError, BadAttributeException, ValidationError):
        # PyGithub believes what it is told; a proxy's page, say, breaks it in any of these ways.
        log.debug("GitHub's answer was not understood", exc_info=True)
        raise Unavailable("GitHub's answer was not understood") from None
    except (AssertionError, RuntimeError):
        # How PyGithub refuses a redirection, or an answer, that leads to another host.
        raise ForgeRefused("GitHub is not at BUILDD_GITHUB_API: it points elsewhere") from None
    except OSError as problem:  # every trouble of the connection is one
        raise Unavailable(f"GitHub does not answer now ({type(problem).__name__})") from None


def _error(problem: GithubException, missing: str) -> BuilddError:
    status, headers = problem.status, problem.headers or {}
    limited = isinstance(problem, RateLimitExceededException) or "retry-after" in headers
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.FORBIDDEN and limited):
        return RateLimited("GitHub's rate limit is reached", retryAfter=_wait(headers))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(f"GitHub cannot do that now ({status})")
    meaning = _MEANING.get(status, "it is not possible")
    if status == HTTPStatus.NOT_FOUND:
        meaning = missing
    return ForgeRefused(f"GitHub refused, {meaning}: {_said(problem)}", forgeStatus=status)


def _wait(headers: dict[str, str]) -> int:
    """Seconds until GitHub wants to be asked again."""
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if after.isdecimal():
        seconds = int(after)
    elif reset.isdecimal():
        seconds = int(reset) - int(time.time())
    else:
        seconds = _LATER
    return min(max(seconds, 1), _LATEST)


def _said(problem: GithubException) -> str:
    """GitHub's own words, and what it says about single fields."""
    data = problem.data if isinstance(problem.data, dict) else {}
    fields = [each for each in data.get("errors") or [] if isinstance(each, dict)]
    words = [data.get("message"), *(each.get("message") for each in fields)]
    said = "; ".join(str(each) for each in words if each) or str(problem.status)
    return " ".join(said.split())[:_LENGTH]
