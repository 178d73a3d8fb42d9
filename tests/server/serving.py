"""A real server on a free loopback port, over a real broker, and what tests say to it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from buildd.broker import Broker, BrokerSettings
from buildd.lease import LeaseTimes
from buildd_server.app import create_app
from buildd_server.listening import listen
from buildd_server.serving import Server
from buildd_server.settings import Settings
from buildd_server.watching import Exchange

ADMIN_KEY = "the administrator's key"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here speaks TLS, and reading the machine's certificates takes longer than most tests."""


@dataclass
class Running:
    """A server at work, and how to speak with it."""

    url: str
    broker: Broker
    server: Server

    @contextmanager
    def client(self, key: str | None = None, **headers: str) -> Iterator[httpx2.Client]:
        """A client with that key; the environment's proxies do not apply."""
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        with httpx2.Client(
            base_url=self.url, headers=headers, trust_env=False, timeout=60, verify=NO_TLS
        ) as client:
            yield client

    def stop(self) -> None:
        """Ask for a stop, as a signal would."""
        self.server.should_exit = True


@contextmanager
def running(
    database: str,
    admin_key: str | None = ADMIN_KEY,
    access_log: Callable[[Exchange], None] | None = None,
    port: int = 0,
    lease_ttl: float = 60.0,
    **more: Any,
) -> Iterator[Running]:
    """A server on a database, in a thread of its own; at a free port, or one that was free before."""
    settings = Settings(database=database, admin_key=admin_key, **{"rate_limit": 0, **more})
    with (
        closing(
            Broker.open(
                database, BrokerSettings(admin_key=admin_key, lease=LeaseTimes(ttl=lease_ttl))
            )
        ) as broker,
        serving(broker, settings, access_log, port) as made,
    ):
        yield made


@contextmanager
def serving(
    broker: Broker,
    settings: Settings,
    access_log: Callable[[Exchange], None] | None = None,
    port: int = 0,
) -> Iterator[Running]:
    """The same over a broker that is open already."""
    (socket,) = sockets = listen("127.0.0.1", port)
    with socket:
        started = threading.Event()
        server = Server(create_app(broker, settings, access_log), started.set)
        port = socket.getsockname()[1]
        thread = threading.Thread(target=server.run, args=(sockets,))
        thread.start()
        assert started.wait(30)
        made = Running(f"http://127.0.0.1:{port}", broker, server)
        try:
            yield made
        finally:
            made.stop()
            thread.join()


@dataclass
class Cast:
    """The people and things that most tests need."""

    workspace: str
    account: str
    key: str
    task: str


def made(client: httpx2.Client, path: str, **fields: Any) -> dict[str, Any]:
    """What a POST answers, which must have gone well."""
    response = client.post(path, json=fields)
    assert response.is_success, response.text
    answer: dict[str, Any] = response.json()
    return answer


def problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a response, checked for its shape."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["code"] == code
    assert document["type"] == f"urn:buildd:error:{code}"
    assert document["title"]
    assert document["detail"]
    # It tells two answers apart that are otherwise the same.
    assert document.pop("requestId", None) == response.headers.get("x-request-id")
    return document
