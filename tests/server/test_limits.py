"""What one caller, or a stranger, may take of a server: counted here; `tests.server.siege` measures it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import httpx2
import pytest

from buildd import errors, wire
from buildd import operations as ops
from buildd.broker import ADMIN
from buildd.ids import Secret, new_secret
from buildd_server import bodies, connections, sse
from buildd_server.addresses import household, proxies, seen_through
from buildd_server.ratelimit import FAILURES_AT_ONCE, Buckets, Room
from tests.patience import PATIENCE
from tests.server import siege
from tests.server.serving import ADMIN_KEY, Running, problem, running

LONG = "BUILDD_LONG" in os.environ


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that lets everybody ask twice, and then every two seconds; it knows a proxy here."""
    yield from _limited(tmp_path_factory, 0.5)


@pytest.fixture(scope="module")
def generous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The same with more than anybody asks for."""
    yield from _limited(tmp_path_factory, 1000)


def _limited(directories: pytest.TempPathFactory, rate: float) -> Iterator[Running]:
    database = f"sqlite:///{directories.mktemp('limited') / 'buildd.db'}"
    trusted = proxies("127.0.0.1, 10.0.0.0/8")
    with running(database, rate_limit=rate, trusted_proxies=trusted) as server:
        yield server


def new_key(server: Running) -> str:
    return server.broker.execute(ops.CreateAdminKey(), ADMIN).api_key


def from_(address: str) -> dict[str, str]:
    return {"x-forwarded-for": address}


def test_tokens_come_back_with_time_and_saved_ones_at_once() -> None:
    now = [100.0]
    buckets = Buckets(rate=2, burst=3, now=lambda: now[0], most=2)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.wait("a") == 0.5
    now[0] += 0.5
    assert [buckets.take("a") for _ in range(2)] == [0, 0.5]
    now[0] += 60
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    buckets.charge("a", 2)
    assert buckets.take("a") == 1.5
    assert buckets.take("b") == buckets.take("c") == 0
    assert len(buckets) == 2
    assert "a" not in buckets


def test_room_is_shared_out() -> None:
    room = Room(most=3, each=2, what="things")
    with room.one("a"), room.one("a"):
        with pytest.raises(errors.RateLimited, match="2 things"), room.one("a"):
            pass
        with room.one("b"), pytest.raises(errors.Unavailable, match="3 things"):
            room.take("c")
    assert room.total == 0
    room.take("a", 2)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("9.9.9.9", [], "9.9.9.9"),
        ("9.9.9.9", ["1.2.3.4"], "9.9.9.9"),
        ("10.1.1.1", [], "10.1.1.1"),
        ("10.1.1.1", ["1.2.3.4"], "1.2.3.4"),
        ("10.1.1.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        ("10.1.1.1", ["6.6.6.6", "1.2.3.4, 10.2.2.2"], "1.2.3.4"),
        ("::ffff:10.1.1.1", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("10.1.1.1", ["1.2.3.4:5678"], "1.2.3.4"),
        ("10.1.1.1", ["nonsense"], "10.1.1.1"),
        ("10.1.1.1", ["10.2.2.2"], "10.2.2.2"),
    ],
)
def test_the_last_address_that_is_no_proxy_of_ours(
    peer: str, forwarded: list[str], address: str
) -> None:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    scope = {"type": "http", "client": (peer, 1), "headers": headers}
    assert seen_through(proxies("10.0.0.0/8"), scope) == address


def test_neighbours_of_ipv6_count_as_one() -> None:
    assert household("2001:db8::1") == household("2001:db8::ffff") != household("2001:db8:1::1")
    with pytest.raises(errors.ConfigError, match="BUILDD_TRUSTED_PROXIES"):
        proxies("10.0.0.1/8")


def _when_refused(client: httpx2.Client, path: str) -> httpx2.Response:
    """The first refusal, which comes after what a caller may save up."""
    served = 0
    while (answer := client.get(path)).status_code == 200:
        served += 1
    assert served >= 2
    return answer


def test_a_key_that_asks_too_often_is_told_when_to_ask_again(limited: Running) -> None:
    with limited.client(new_key(limited), **from_("5.5.5.5")) as client:
        refused = _when_refused(client, "/api/tasks")
    assert problem(refused, 429, "rate_limited")["retryAfter"] in {1, 2}
    assert refused.headers["retry-after"] in {"1", "2"}
    with limited.client(new_key(limited), **from_("5.5.5.6")) as other:
        assert other.get("/api/tasks").status_code == 200


def test_a_key_is_one_caller_however_it_is_written(limited: Running) -> None:
    key = new_key(limited)
    with limited.client(key, **from_("5.5.5.8")) as client:
        _when_refused(client, "/api/tasks")
    for spelling in (f"bearer {key}", f"Bearer   {key}", f"BEARER {key}"):
        with limited.client(**from_("5.5.5.9"), authorization=spelling) as client:
            problem(client.get("/api/tasks"), 429, "rate_limited")


def test_a_refusal_that_is_not_about_the_key_forgives_nothing(limited: Running) -> None:
    with limited.client(new_key(limited), **from_("5.5.6.4")) as client:
        assert client.get("/api/tasks").status_code == 200
        problem(client.post("/api/webhooks/github/src_of_nobody"), 401, "not_authenticated")
        problem(client.get("/api/tasks"), 429, "rate_limited")


def test_a_session_is_one_caller_whatever_cookies_stand_beside_it(limited: Running) -> None:
    with limited.client(new_key(limited), **from_("5.5.6.1")) as client:
        session = client.post("/api/auth/session").cookies["buildd_session"]
    with limited.client(**from_("5.5.6.2"), cookie=f"buildd_session={session}") as client:
        _when_refused(client, "/api/tasks")
    for other in ("a=1", "__Host-buildd=another"):
        cookies = f"{other}; buildd_session={session}"
        with limited.client(**from_("5.5.6.3"), cookie=cookies) as client:
            problem(client.get("/api/tasks"), 429, "rate_limited")


def test_strangers_are_limited_by_where_they_come_from(limited: Running) -> None:
    with limited.client(**from_("1.1.1.1")) as stranger:
        _when_refused(stranger, "/health")
    with limited.client(**from_("1.1.1.2")) as other:
        assert other.get("/health").status_code == 200


def test_a_large_body_costs_as_much_as_many_requests(limited: Running) -> None:
    with limited.client(new_key(limited), **from_("5.5.5.7")) as client:
        assert client.get("/api/tasks").status_code == 200
        assert client.post("/api/tasks", content=b" " * (1 << 20)).status_code == 422
        assert int(client.get("/api/tasks").headers["retry-after"]) > 100


def test_who_is_wrong_too_often_waits_but_not_a_known_key_beside_him(generous: Running) -> None:
    known, fresh = new_key(generous), new_key(generous)
    with generous.client(**from_("2.2.2.2")) as client:

        def status(key: str) -> int:
            return client.get("/api/tasks", headers={"authorization": f"Bearer {key}"}).status_code

        assert status(known) == 200
        guesses = 0
        while status(new_secret(Secret.KEY)) == 401:
            guesses += 1
        assert guesses >= FAILURES_AT_ONCE
        assert status(known) == 200
    with generous.client(fresh, **from_("2.2.2.3")) as elsewhere:
        assert elsewhere.get("/api/tasks").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"tasks":[' + b"[]," * 500_000 + b"0]}",
        b"{" + b",".join(b'"%x":1' % each for each in range(100_000)) + b"}",
    ],
    ids=["deep", "deep objects", "values", "fields"],
)
@pytest.mark.parametrize("path", ["/api/tasks", "/mcp"])
def test_json_is_counted_before_it_is_made(admin: httpx2.Client, path: str, body: bytes) -> None:
    headers = {"content-type": "application/json", "accept": "application/json"}
    problem(admin.post(path, content=body, headers=headers), 413, "too_large")


def test_what_separates_values_may_stand_in_texts() -> None:
    wire.check_values(b'{"content":"%b"}' % (rb"a, [b], {c} \" " * 20_000))
    with pytest.raises(errors.TooLarge):
        wire.check_values(b"[" + b'"",' * (wire.MOST_VALUES + 1) + b'""]')


def test_not_every_wrong_field_is_told(admin: httpx2.Client) -> None:
    body = {f"f{number}": 1 for number in range(wire.MOST_TOLD + 10)}
    answer = problem(admin.post("/api/tasks", json=body), 422, "invalid")
    assert len(answer["errors"]) == wire.MOST_TOLD
    assert answer["detail"].endswith("; and 12 more")


def raw(server: Running, text: bytes) -> socket.socket:
    """A connection on which this was sent."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
    connection.sendall(text)
    return connection


HEAD = b"GET /health HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (HEAD + b"a: " + b"b" * 500_000, "431"),
        (HEAD + b"a: " + b"b" * 66_000 + b"\r\n\r\n", "431"),
        (HEAD + b"a: b\r\n" * 20_000 + b"\r\n", "431"),
        (b"GET /health?" + b"a" * 500_000, "431"),
        (b"GET /health?" + b"a=&" * 101 + b" HTTP/1.1\r\n\r\n", "400"),
        (b"\x00\x01\x02\r\n\r\n", "400"),
        (b"POST /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 500_000, "405"),
    ],
    ids=["value", "whole value", "lines", "path", "query", "no HTTP", "extension"],
)
def test_a_head_that_is_too_much(served: Running, sent: bytes, status: str) -> None:
    assert siege.answer(raw(served, sent)) == status


def test_not_many_requests_are_sent_ahead(served: Running) -> None:
    with raw(served, (HEAD + b"\r\n") * 5_000) as connection, suppress(ConnectionError):
        data = b""
        while piece := connection.recv(65536):
            data += piece
        assert data.count(b"HTTP/1.1 200") <= connections.SENT_AHEAD + 1
        assert b"HTTP/1.1 400" in data


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET /he", HEAD])
def test_a_head_that_never_comes(
    served: Running, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    with raw(served, sent) as connection:
        assert connection.recv(1) == b""
    with raw(served, HEAD + b"\r\n") as connection:
        assert connection.recv(65536)
        connection.sendall(sent or b"\r\n")
        assert connection.recv(1) == b""


def test_a_body_that_comes_too_slowly(
    served: Running, admin: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.1)
    head = f"POST /api/tasks HTTP/1.1\r\nAuthorization: {admin.headers['authorization']}\r\n"
    with raw(served, f"{head}Content-Length: 4000\r\n\r\n".encode()) as connection:
        connection.sendall(b"{")
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in answer


def test_the_rest_of_a_body_that_was_refused_is_not_waited_for(
    served: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.1)
    with raw(served, b"POST /api/tasks HTTP/1.1\r\nContent-Length: 9\r\n\r\n1") as connection:
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 401 ")


def test_who_waits_longest_gives_way() -> None:
    waiting = connections.Waiting(2)
    one, two = object(), object()
    waiting.add(one)  # type: ignore[arg-type]
    waiting.add(two)  # type: ignore[arg-type]
    waiting.add(one)  # type: ignore[arg-type]
    assert waiting.longest() is two
    waiting.discard(two)  # type: ignore[arg-type]
    assert waiting.longest() is one
    assert two not in waiting  # type: ignore[operator]


@pytest.mark.parametrize(("hard", "most"), [(4_000, 3_000), (1_000_000, 16_000)])
def test_a_process_that_may_have_more_files_takes_what_it_needs(hard: int, most: int) -> None:
    # What the process may have is simulated: not every machine lets one have a million.
    program = f"""
import resource
from buildd_server import connections
limits = [256, {hard}]
resource.getrlimit = lambda _: tuple(limits)
resource.setrlimit = lambda _, wanted: limits.__setitem__(slice(None), wanted)
connections.allow_files()
assert limits[1] == {hard}, "what others may have later was taken from them"
print(connections.most_connections())
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert int(ran.stdout) == most


@pytest.mark.parametrize("limit", ["MOST_CONNECTIONS", "MOST_IDLE"])
def test_a_full_server_serves_who_asks(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(connections, limit, 4)
    server = start()
    idle = [raw(server, b"GET /he") for _ in range(8)]
    for _ in range(6):
        assert httpx2.get(f"{server.url}/health", trust_env=False).status_code == 200
    assert sum(siege.answer(each, wait=0.05) == "open" for each in idle) <= 4


def test_streams_of_one_caller_are_counted(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "MOST_STREAMS", 6)
    server = start()
    with server.client(ADMIN_KEY) as admin, ExitStack() as open_:
        for _ in range(2):
            assert open_.enter_context(admin.stream("GET", "/api/events")).status_code == 200
        answer = admin.get("/api/events")
        assert problem(answer, 429, "rate_limited")["retryAfter"] == 5


def test_bodies_that_wait_for_their_rest_are_counted(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "EACH_HELD", 1000)
    server = start()
    with server.client(ADMIN_KEY) as admin:
        problem(admin.post("/api/workspaces", content=b" " * 1001), 429, "rate_limited")
        for _ in range(3):
            problem(admin.post("/api/workspaces", content=b" " * 900), 422, "invalid")


def test_a_request_has_an_id_and_so_has_its_answer(served: Running, admin: httpx2.Client) -> None:
    one, two = (admin.get("/health").headers["x-request-id"] for _ in range(2))
    assert one != two
    kept_or_not = {"mine.1-a_B": True, "": False, "a b": False, "a" * 129: False}
    kept_or_not[new_secret(Secret.KEY)] = False
    for sent, kept in kept_or_not.items():
        answer = admin.get("/api/nowhere", headers={"x-request-id": sent})
        assert (answer.headers["x-request-id"] == sent) is kept
        assert answer.json()["requestId"] == answer.headers["x-request-id"]


def test_under_siege(tmp_path: Path) -> None:
    """The attacks with small numbers, and no clock: nobody else is refused, and the server lives."""
    deeds = (
        partial(siege.huge_body, size=(1 << 31) if LONG else (1 << 26)),
        partial(siege.deep_json, times=5),
        partial(siege.many_fields, times=2, count=50_000),
        partial(siege.slow_heads, count=40, seconds=0),
        partial(siege.slow_bodies, count=10),
        partial(siege.streams, count=40),
    )
    with siege.besieged(tmp_path) as server, server.client(server.good) as other:
        before = server.rss()
        for deed in deeds:
            deed(server)
            assert other.get("/api/accounts/me").status_code == 200
        assert server.process.poll() is None
        assert server.rss() - before < siege.MOST_GROWTH
