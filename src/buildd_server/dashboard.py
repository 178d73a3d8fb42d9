"""The dashboard's files: one page for every path that it knows, and its modules and styles for ever.

They stand in the package and are read once. An address of one carries a digest of them all: whatever
a browser has kept fits together, and a page that outlived an upgrade finds nothing at its addresses.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Self

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from buildd import errors
from buildd_server.packing import PACKED, takes_gzip

PAGES = (
    "/",
    "/tasks/{id}",
    "/fleet",
    "/spend",
    "/workspaces",
    "/workspaces/{id}",
    "/settings",
    "/events",
    "/login",
)
"""Where the dashboard has a page; its own router knows the same paths."""
ASSETS = "/assets/"
ASSET = f"{ASSETS}{{digest}}/{{path:path}}"
INDEX = "index.html"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
"""What is served, by the end of its name; all else is for those who work on it."""

_HEADERS = {"x-content-type-options": "nosniff", "cross-origin-resource-policy": "same-origin"}
_PAGE = {
    "cache-control": "no-cache",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "no-referrer",
}
_ASSET = {"cache-control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True)
class Body:
    """One way to write a file down, with what its answer says of it."""

    content: bytes
    headers: Mapping[str, str]

    @classmethod
    def of(cls, content: bytes, headers: Mapping[str, str]) -> Self:
        """With its tag."""
        return cls(content, {**headers, "etag": f'"{_digest(content)}"'})

    def answer(self, request: Request) -> Response:
        """The body, or 304 to who has it."""
        known = request.headers.get("if-none-match", "").replace("W/", "").split(",")
        if self.headers["etag"] in map(str.strip, known):
            return Response(status_code=304, headers=self.headers)
        return Response(self.content, headers=self.headers)


@dataclass(frozen=True)
class File:
    """A file as it is, and compressed."""

    plain: Body
    packed: Body

    @classmethod
    def of(cls, content: bytes, media_type: str, headers: Mapping[str, str]) -> Self:
        """Compress it, once."""
        said = {**_HEADERS, **headers, "content-type": media_type, "vary": "accept-encoding"}
        packed = gzip.compress(content, mtime=0)
        return cls(Body.of(content, said), Body.of(packed, {**said, **PACKED}))

    def answer(self, request: Request) -> Response:
        """The file, written as whoever asks can read it."""
        return (self.packed if takes_gzip(request) else self.plain).answer(request)


@dataclass(frozen=True)
class Dashboard:
    """All files, by their paths below the digest."""

    digest: str
    page: File
    assets: Mapping[str, File]

    @classmethod
    def of(cls, found: Mapping[str, bytes]) -> Self:
        """From files by their paths, the page among them."""
        served = {
            path: TYPES[end] for path in found if (end := PurePosixPath(path).suffix) in TYPES
        }
        digest = _digest(*(part for path in served for part in (path.encode(), found[path])))
        page = _page(found[INDEX].decode(), f"{ASSETS}{digest}", served)
        return cls(
            digest,
            File.of(page.encode(), "text/html; charset=utf-8", _PAGE),
            {path: File.of(found[path], kind, _ASSET) for path, kind in served.items()},
        )


@cache
def dashboard() -> Dashboard:
    """The files of this package, as they were when first asked for."""
    return Dashboard.of(dict(_read(files("buildd_server") / "web")))


def dashboard_routes() -> Iterator[Route]:
    """The page at each of its paths, and the files. None needs a key: the API keeps what is secret."""
    shown = dashboard()

    async def page(request: Request) -> Response:
        return shown.page.answer(request)

    async def asset(request: Request) -> Response:
        asked = request.path_params
        file = shown.assets.get(asked["path"])
        if file is None or asked["digest"] != shown.digest:
            raise errors.NotFound("there is nothing at this path")
        return file.answer(request)

    for path in PAGES:
        yield Route(path, page)
    yield Route(ASSET, asset)


def _read(directory: Traversable, above: str = "") -> Iterator[tuple[str, bytes]]:
    """Each file below a directory, in the order of their names."""
    for each in sorted(directory.iterdir(), key=lambda each: each.name):
        if each.is_dir():
            yield from _read(each, f"{above}{each.name}/")
        else:
            yield f"{above}{each.name}", each.read_bytes()


def _page(template: str, base: str, served: Mapping[str, str]) -> str:
    """The page, whose browser asks for all of the core at once and not as it meets each import."""
    core = [
        path
        for path in served
        if re.fullmatch(r"app/[^/]+\.js", path) and f"%assets%/{path}" not in template
    ]
    lines = [f'    <link rel="modulepreload" href="{base}/{escape(path)}">\n' for path in core]
    return template.replace("%assets%", base).replace("  </head>", f"{''.join(lines)}  </head>")


def _digest(*parts: bytes) -> str:
    """What tells contents apart, in no more characters than that takes."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(len(part).to_bytes(8) + part)
    return hashed.hexdigest()[:20]
