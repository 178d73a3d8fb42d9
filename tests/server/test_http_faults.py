"""A fault of ours: the client is told nothing of it, the log everything."""

from __future__ import annotations

import threading

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from buildd_server.listening import listen
from buildd_server.problems import HANDLERS
from buildd_server.serving import Server
from buildd_server.waiting import Shutdown
from buildd_server.watching import Exchange
from tests.patience import PATIENCE, until
from tests.server.serving import ADMIN_KEY, made, problem, running


def test_an_unexpected_error(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_request: Request) -> Response:
        raise RuntimeError("a secret detail")

    app = Starlette(routes=[Route("/fail", fail)], exception_handlers=HANDLERS)
    app.state.shutdown = Shutdown()
    (socket,) = sockets = listen("127.0.0.1", 0)
    server = Server(app)
    with socket:
        thread = threading.Thread(target=server.run, args=(sockets,))
        thread.start()
        url = f"http://127.0.0.1:{socket.getsockname()[1]}/fail"
        response = httpx2.get(url, trust_env=False, timeout=PATIENCE)
        server.should_exit = True
        thread.join()
    problem(response, 500, "internal")
    assert "secret" not in response.text
    assert caplog.text.count("RuntimeError: a secret detail") == 1


def test_a_client_that_hangs_up_while_its_claim_waits_is_no_fault(sqlite_url: str) -> None:
    answered: list[tuple[str, int]] = []

    def note(exchange: Exchange) -> None:
        answered.append((exchange.scope["path"], exchange.status))

    with running(sqlite_url, access_log=note) as server:
        with server.client(ADMIN_KEY) as admin:
            account = made(admin, "/api/accounts", type="user", name="Max")
        with server.client(account["apiKey"]) as agent, pytest.raises(httpx2.ReadTimeout):
            agent.post("/api/workers/claim", json={"waitSeconds": 60}, timeout=0.5)
        until(lambda: ("/api/workers/claim", 499) in answered)
