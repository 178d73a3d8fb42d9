"""What the server knows of browsers: whose page a request came from, and the cookie of a session."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

from buildd import errors
from buildd.broker.sessions import LONGEST
from buildd.loopback import is_loopback

COOKIE = "buildd_session"
SECURE_COOKIE = "__Host-buildd"
"""Of this prefix a browser takes a cookie from nobody but the very host, over TLS."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_USUAL_PORTS = {"http": ":80", "https": ":443"}


class Browsers:
    """Where this server's own pages are, as browsers see them, and how they keep a session."""

    def __init__(self, public_url: str | None) -> None:
        self._origin = None if public_url is None else _origin(public_url)
        self._secure = self._origin is not None and self._origin.startswith("https:")
        self.cookie = SECURE_COOKIE if self._secure else COOKIE

    def session_of(self, request: HTTPConnection) -> str | None:
        """The session that a request came with."""
        return request.cookies.get(self.cookie)

    def check_origin(self, request: HTTPConnection) -> None:
        """Raises `Forbidden` unless a request that a browser adds a cookie to is from an own page."""
        named = {"origin", "sec-fetch-site"} & set(request.headers.keys())
        if not named or not is_same_origin(request, self._origin_at(request)):
            raise errors.Forbidden(
                "with a session, only this server's own pages may change something"
                " (BUILDD_PUBLIC_URL tells where they are, if that is behind a proxy)"
            )

    def check_login(self, request: HTTPConnection) -> None:
        """Raises `Forbidden` for another's page, and `NotConfigured` where a cookie would be overheard."""
        here = self._origin_at(request)
        if not is_same_origin(request, here):
            raise errors.Forbidden("only this server's own pages may log in")
        if not self._secure and not is_loopback(urlsplit(here).hostname):
            raise errors.NotConfigured(
                "people log in over https only: set BUILDD_PUBLIC_URL to the https URL of this server"
            )

    def remember(self, response: Response, session: str) -> None:
        """Have the browser keep a session. When it ends, the server decides."""
        response.set_cookie(
            self.cookie,
            session,
            max_age=int(LONGEST.total_seconds()),
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def forget(self, response: Response) -> None:
        """Have the browser forget its session."""
        response.delete_cookie(self.cookie, secure=self._secure, httponly=True, samesite="lax")

    def _origin_at(self, request: HTTPConnection) -> str:
        return self._origin or host_origin(request)


def is_same_origin(request: HTTPConnection, here: str) -> bool:
    """Whether no page of another origin sent a request that changes something.

    Only browsers send these headers, and no page can leave them out of such a request.
    """
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin", here).lower()
    return site in {"same-origin", "none"} and origin == here


def host_origin(request: HTTPConnection) -> str:
    """The origin of a server that is reached directly, as the request itself names it."""
    return f"http://{request.headers.get('host', '')}".lower()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.removesuffix(_USUAL_PORTS[parts.scheme])}".lower()
