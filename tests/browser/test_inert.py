"""What strangers made is inert in a real browser (S10): nothing of it runs, calls anybody, or opens a dialog.

The same files on a site that hands them out as what they claim to be show that all of this can fail.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from buildd.client import Client
from buildd.models import ArtifactType
from buildd.operations.tasks import BatchedTask
from buildd.states import WorkerStatus
from buildd.testing.conformance.stage import Stage
from tests.browser.payloads import TYPES, Corpus, Payload
from tests.server.serving import ADMIN_KEY, Running, running
from tests.tenancy.tenants import owner

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600 if "BUILDD_LONG" in os.environ else 120)]

LONG = "BUILDD_LONG" in os.environ
FRAMES = [
    "<iframe src='{url}'></iframe>",
    "<iframe src='{url}'></iframe><embed src='{url}'>",
    "<iframe src='{url}'></iframe><object data='{url}'></object>",
    "<iframe src='{url}'></iframe><img src='{url}'><link rel=stylesheet href='{url}'>",
    "<iframe src='{url}'></iframe><script src='{url}'></script>",
    "<iframe src='{url}'></iframe><video src='{url}'><track default src='{url}'></video>",
]
"""How a page can put what is at a URL into itself."""
PER_PAGE = 64
ALONE = 500 if LONG else 6
"""How many are also opened by themselves."""
PER_WORKER = 40 if LONG else 1000
Found = tuple[bytes, str] | None


@dataclass
class Site:
    """A plain HTTP server, and what it was asked for."""

    url: str
    asked: list[str] = field(default_factory=list)

    def hits(self) -> set[str]:
        """The payloads that have called it."""
        return {each for each in self.asked if each[1:].isdecimal()}


@contextmanager
def site(answer: Callable[[str], Found] = lambda _: (b"yes?", "text/plain")) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            found = answer(self.path)
            self.send_response(404 if found is None else 200)
            if found is not None:
                self.send_header("content-type", found[1])
            self.end_headers()
            if found is not None:
                self.wfile.write(found[0])

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Browsers leave in the middle of answers."""

    server = Server(("127.0.0.1", 0), Handler)
    made = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Visit:
    """A visitor's tab, and what went wrong in it."""

    page: Page
    end: str
    """An address of the canary's that no payload has."""
    dialogs: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def embed(self, origin: str, urls: list[str]) -> None:
        """Open pages of an origin that put all of these into themselves."""
        for start in range(0, len(urls), PER_PAGE):
            parts = urls[start : start + PER_PAGE]
            body = "".join(
                FRAMES[number % len(FRAMES)].format(url=escape(each, quote=True))
                for number, each in enumerate(parts)
            )
            harness = f"{origin}/harness/{start}"
            self._show(harness, body)
            self.settle()

    def _show(self, url: str, body: str) -> None:
        self.page.route(url, lambda route: route.fulfill(content_type="text/html", body=body))
        self.page.goto(url, wait_until="load")

    def open(self, url: str) -> None:
        """Go there, as somebody does who clicks."""
        from playwright.sync_api import Error

        with suppress(Error):  # What is downloaded is no page.
            self.page.goto(url, wait_until="load")

    def settle(self) -> None:
        """Wait until what was asked for before has been answered, and drawn: as long as the control does."""
        self.page.evaluate(
            """async (url) => {
                for (let turn = 0; turn < 3; turn++) {
                    await fetch(url, {mode: 'no-cors'});
                    await new Promise((done) => requestAnimationFrame(done));
                }
            }""",
            self.end,
        )


@contextmanager
def visit(
    browser: Browser, canary: Site, cookie: tuple[str, str, str] | None = None
) -> Iterator[Visit]:
    context = browser.new_context(accept_downloads=False)
    if cookie is not None:
        name, value, url = cookie
        context.add_cookies([{"name": name, "value": value, "url": url}])
    made = Visit(context.new_page(), f"{canary.url}/end")

    def on_dialog(dialog: object) -> None:
        made.dialogs.append(dialog.message)  # type: ignore[attr-defined]
        dialog.dismiss()  # type: ignore[attr-defined]

    def on_console(message: object) -> None:
        if "Content Security Policy" in message.text:  # type: ignore[attr-defined]
            made.violations.append(message.text)  # type: ignore[attr-defined]

    context.on("dialog", on_dialog)
    context.on("console", on_console)
    try:
        yield made
    finally:
        assert len(context.pages) == 1
        context.close()


def test_where_nothing_is_held_back_most_of_it_runs(
    browser: Browser, record_property: Callable[[str, object], None]
) -> None:
    """The control: if this finds little, the other test proves little."""
    with site() as canary:
        corpus = list(Corpus(canary.url))

        def naive(path: str) -> Found:
            number = path.removeprefix("/")
            return tuple(corpus[int(number)]) if number.isdecimal() else None  # type: ignore[return-value]

        with site(naive) as careless, visit(browser, canary) as tab:
            tried = range(0, len(corpus), 1 if LONG else 8)
            tab.embed(careless.url, [f"{careless.url}/{each}" for each in tried])
        ran = canary.hits()
    record_property("figures", f"{len(ran)} of {len(tried)} ran, {len(tab.dialogs)} dialogs")
    assert len(corpus) >= 300
    assert len(ran) >= len(tried) // 2
    assert len(tab.dialogs) >= len(tried) // 4


@dataclass
class Depot:
    """A server with everything of the corpus in it, wherever a stranger can put it."""

    server: Running
    stage: Stage
    lease: Client = field(init=False)
    worker: str = field(init=False)
    message: str = field(init=False)
    urls: list[str] = field(default_factory=list)

    def fill(self, corpus: list[Payload]) -> None:
        """Each payload goes one way, or in the long form every way."""
        self._tasks(corpus)
        ways = [self._honest, self._dishonest, self._attached, self._told, self._said]
        for number, payload in enumerate(corpus):
            if number % PER_WORKER == 0:
                self._next_attempt()
            for way in ways if LONG else [ways[number % len(ways)]]:
                self.urls += way(number, payload)

    def _tasks(self, corpus: list[Payload]) -> None:
        texts = [each.content.decode("ascii", "replace").replace("\0", "") for each in corpus]
        for start in range(0, len(texts), 100):
            tasks = [
                BatchedTask(
                    workspace_id=self.stage.workspace.id,
                    title=" ".join(each.split())[:200],
                    description=each,
                )
                for each in texts[start : start + 100]
            ]
            [*_, last] = self.stage.bd.tasks.create_many(tasks=tasks)
        self.urls += ["/api/tasks?limit=200", f"/api/tasks/{last.id}"]

    def _next_attempt(self) -> None:
        """Each may upload so many files."""
        for worker in self.stage.bd.workers.list(status=WorkerStatus.RUNNING):
            self.lease.workers.complete(id=worker.id)
        claimed, self.lease = self.stage.running()
        self.worker = claimed.id
        self.message = self.lease.messages.create(worker_id=claimed.id, content="Look.").id

    def _honest(self, number: int, payload: Payload) -> Iterator[str]:
        """A file of the type that it is."""
        yield self._uploaded(number, payload.content, payload.mime_type)

    def _dishonest(self, number: int, payload: Payload) -> Iterator[str]:
        """A file of a type that it is not."""
        for mime_type in TYPES if LONG else [TYPES[number // 5 % len(TYPES)]]:
            yield self._uploaded(number, payload.content, mime_type)

    def _uploaded(self, number: int, content: bytes, mime_type: str) -> str:
        name = f'"><img src=x onerror=alert({number})>.{mime_type.rpartition("/")[2]}'
        made = self.lease.artifacts.upload(
            content, worker_id=self.worker, filename=name, mime_type=mime_type
        )
        return f"/api/artifacts/{made.id}/content"

    def _attached(self, _number: int, payload: Payload) -> Iterator[str]:
        made = self.lease.messages.attach(
            payload.content,
            message_id=self.message,
            filename="a.html",
            mime_type=payload.mime_type,
        )
        yield f"/api/attachments/{made.id}"

    def _told(self, _number: int, payload: Payload) -> Iterator[str]:
        """Text that an agent has written down."""
        text = payload.content.decode("latin-1").replace("\0", "")
        made = self.lease.artifacts.create(
            worker_id=self.worker, type=ArtifactType.SUMMARY, content=text
        )
        yield f"/api/artifacts/{made.id}/content"

    def _said(self, number: int, payload: Payload) -> Iterator[str]:
        """Addresses whose answers may say it again."""
        said = quote(payload.content[:1500], safe="")
        addresses = [
            f"/api/tasks/{said}",
            f"/api/tasks?limit={said}",
            f"/api/{said}",
            f"/api/docs?q={said}#{said}",
            f"/{said}",
        ]
        yield from addresses if LONG else [addresses[number // 5 % len(addresses)]]


def test_what_strangers_made_is_inert(
    browser: Browser,
    tmp_path_factory: pytest.TempPathFactory,
    record_property: Callable[[str, object], None],
) -> None:
    """Opened, and put into pages of this server and of others, by an administrator who is logged in."""
    file = tmp_path_factory.mktemp("depot") / "buildd.db"
    with site() as canary, running(f"sqlite:///{file}") as server:
        depot = Depot(server, Stage(owner(server)))
        depot.fill(list(Corpus(canary.url))[:: 1 if LONG else 3])
        urls = [f"{server.url}{each}" for each in depot.urls]
        with server.client(ADMIN_KEY, origin=server.url) as http:
            assert http.post("/api/auth/session").status_code == 201
            cookie = ("buildd_session", http.cookies["buildd_session"], server.url)
        with visit(browser, canary, cookie) as tab:
            tab.embed(server.url, urls)
            tab.embed(canary.url, urls[::16])
            for url in urls[:: max(1, len(urls) // ALONE)]:
                tab.open(url)
            tab.open(f"{canary.url}/end")
            tab.settle()
            tab.violations.clear()
            for path in ("/", "/api/docs", "/api/openapi.json", "/health", "/metrics"):
                assert tab.page.goto(server.url + path).ok  # type: ignore[union-attr]
    record_property("figures", f"{len(urls)} addresses")
    assert tab.dialogs == []
    assert canary.hits() == set()
    assert tab.violations == []
