"""Files over plain HTTP: what curl, a browser, a cut connection and somebody hostile would send."""

from __future__ import annotations

import re
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx2
import pytest

import buildd
from buildd import Client
from buildd.blobs import FileLimits
from buildd.broker import Broker
from buildd.client import connect
from buildd.client._http_sync import HttpTransport
from tests.conftest import serving
from tests.files.conftest import MB, Crew, crew_of, kept, sweep
from tests.patience import PATIENCE


@pytest.fixture
def bd(broker: Broker) -> Iterator[Client]:
    """A client of a real server, on both kinds of database."""
    with serving(broker) as address, connect(address) as client:
        yield client


@pytest.fixture
def http(bd: Client, crew: Crew) -> Iterator[httpx2.Client]:
    """The attempt, speaking plain HTTP."""
    headers = {"authorization": f"Bearer {crew.claimed.lease.token}"}
    with httpx2.Client(
        base_url=address_of(bd), headers=headers, trust_env=False, timeout=PATIENCE
    ) as client:
        yield client


def address_of(bd: Client) -> str:
    assert isinstance(bd.transport, HttpTransport)
    return bd.transport.address


def upload_path(crew: Crew) -> str:
    return f"/api/workers/{crew.id}/artifacts/content"


def test_curl_could_do_it(http: httpx2.Client, crew: Crew) -> None:
    answer = http.post(
        upload_path(crew),
        params={"filename": "a.txt", "type": "file", "title": "A"},
        content=b"hello",
        headers={"content-type": "Text/Plain; charset=latin-1"},
    )
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/artifacts/{made['id']}"
    assert (made["filename"], made["mimeType"], made["size"]) == ("a.txt", "text/plain", 5)
    got = http.get(f"/api/artifacts/{made['id']}/content")
    assert (got.status_code, got.content) == (200, b"hello")
    assert got.headers["repr-digest"] == "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"
    head = http.head(f"/api/artifacts/{made['id']}/content")
    assert (head.content, head.headers["content-length"]) == (b"", "5")


@pytest.mark.parametrize(
    ("kind", "served", "disposition"),
    [
        ("image/png", "image/png", "inline"),
        ("text/plain", "text/plain; charset=utf-8", "inline"),
        ("text/html", "application/octet-stream", "attachment"),
        ("image/svg+xml", "application/octet-stream", "attachment"),
        ("application/xhtml+xml", "application/octet-stream", "attachment"),
        ("text/javascript", "application/octet-stream", "attachment"),
        ("application/pdf", "application/octet-stream", "attachment"),
    ],
)
def test_nothing_that_is_handed_out_runs(
    http: httpx2.Client, crew: Crew, kind: str, served: str, disposition: str
) -> None:
    script = b"<script>alert(1)</script>"
    made = http.post(upload_path(crew), content=script, headers={"content-type": kind}).json()
    assert made["mimeType"] == kind
    answer = http.get(f"/api/artifacts/{made['id']}/content")
    assert answer.headers["content-type"] == served
    assert answer.headers["content-disposition"].startswith(f"{disposition}; ")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert "no-store" in answer.headers["cache-control"]


HOSTILE = [
    ("../../etc/passwd", "passwd"),
    ("..", "file"),
    ("C:\\windows\\win.ini", "win.ini"),
    ('"; filename="evil.html', "_; filename=_evil.html"),
    (".bashrc", "bashrc"),
    ("-rf", "rf"),
    ("na%22me%0d%0a.txt", "na%22me%0d%0a.txt"),
    ("Grüße an 世界.png", "Grüße an 世界.png"),
    ("\u202egnp.exe", "_gnp.exe"),
    ("CON<>|?*", "CON_____"),
    ("世" * 200, "世" * 66),
]


@pytest.mark.parametrize(("name", "plain"), HOSTILE)
def test_a_name_of_a_stranger_leads_nowhere(
    http: httpx2.Client, crew: Crew, name: str, plain: str
) -> None:
    made = http.post(upload_path(crew), params={"filename": name}, content=b"x").json()
    assert made["filename"] == name
    answer = http.get(f"/api/artifacts/{made['id']}/content")
    [said] = answer.headers.get_list("content-disposition")
    found = re.fullmatch(
        r"attachment; filename=\"([ -~]*)\"; filename\*=UTF-8''([-A-Za-z0-9!#$&+.^_`|~%]*)", said
    )
    assert found is not None, said
    assert unquote(found[2]) == plain
    assert not set(found[1]) & set('"%/\\')


@pytest.mark.parametrize(
    ("params", "headers", "field"),
    [
        ({"filename": "a\nb"}, {}, "filename"),
        ({"type": "virus"}, {}, "type"),
        ({"size": "1"}, {}, "size"),
        ({"mimeType": "text/plain"}, {}, "mimeType"),
        ({"workerId": "wkr_x"}, {}, "workerId"),
        ({"metadata": "[1]"}, {}, "metadata"),
        ({"metadata": "{"}, {}, "metadata"),
        ({}, {"content-type": "nonsense"}, "mimeType"),
    ],
)
def test_a_wrong_field_is_named(
    http: httpx2.Client,
    crew: Crew,
    params: dict[str, str],
    headers: dict[str, str],
    field: str,
) -> None:
    answer = http.post(upload_path(crew), params=params, headers=headers, content=b"x")
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]


def test_without_a_key_that_fits_nothing_is_read(bd: Client, crew: Crew) -> None:
    headers = {"authorization": "Bearer buildd_lease_nonsense"}
    address = address_of(bd)
    with httpx2.Client(base_url=address, headers=headers, trust_env=False) as stranger:
        for path in (upload_path(crew), "/api/messages/msg_x/attachments"):
            assert stranger.post(path, content=b"x").status_code == 401
        for path in ("/api/artifacts/art_x/content", "/api/attachments/att_x"):
            assert stranger.get(path).status_code == 401
            assert stranger.post(path).status_code == 401


def test_a_file_that_says_it_is_too_large_is_refused_before_it_comes(
    http: httpx2.Client, crew: Crew
) -> None:
    with _connected(http) as raw:
        raw.sendall(_head(http, crew, f"Content-Length: {10**12}"))
        answer = raw.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"BUILDD_MAX_FILE_MB" in answer


@pytest.mark.parametrize(
    ("length", "body"),
    [
        ("Content-Length: 1000", b"x" * 999),
        ("Content-Length: 1000", b""),
        ("Transfer-Encoding: chunked", b"3e8\r\n" + b"x" * 1000 + b"\r\n"),
        ("Transfer-Encoding: chunked", b"3e8\r\nxxx"),
        ("Transfer-Encoding: chunked", b"nonsense\r\n"),
    ],
)
def test_a_file_that_is_cut_off_is_none(
    http: httpx2.Client, crew: Crew, blobs: Path, length: str, body: bytes
) -> None:
    with _connected(http) as raw:
        raw.sendall(_head(http, crew, length) + body)
    # Whatever is asked next on the same server is answered after it saw the end of the other.
    while list(blobs.glob("incoming/*")):
        http.get("/health")
    assert kept(blobs) == []
    assert http.get(f"/api/workers/{crew.id}/artifacts").json() == []


def test_of_a_body_longer_than_it_says_nothing_more_is_taken(
    http: httpx2.Client, crew: Crew, blobs: Path
) -> None:
    with _connected(http) as raw:
        raw.sendall(_head(http, crew, "Content-Length: 3") + b"abcdef\r\n\r\n")
        assert raw.recv(65536).startswith(b"HTTP/1.1 400 ")
    while list(blobs.glob("incoming/*")):
        http.get("/health")
    assert {each.read_bytes() for each in kept(blobs)} <= {b"abc"}


def test_who_comes_64_times_at_once_with_the_same_bytes_is_kept_once(
    http: httpx2.Client, crew: Crew, blobs: Path, broker: Broker
) -> None:
    data = b"the same" * 20_000

    def upload(number: int) -> int:
        done = http.post(upload_path(crew), params={"title": str(number)}, content=data)
        if number % 8 == 0:
            sweep(broker, blobs)
        return done.status_code

    with ThreadPoolExecutor(64) as threads:
        statuses = list(threads.map(upload, range(64)))
    # A worker may have 5 MB, and a file of it 2: this is exact, whoever comes first.
    assert statuses.count(201) == 5 * MB // len(data)
    assert statuses.count(413) == 64 - statuses.count(201)
    assert [each.read_bytes() == data for each in kept(blobs)] == [True]


def test_who_does_not_read_on_keeps_nobody_waiting(http: httpx2.Client, crew: Crew) -> None:
    made = http.post(upload_path(crew), content=bytes(2 * MB)).json()
    raws = [_connected(http) for _ in range(20)]
    for raw in raws:
        key = http.headers["authorization"]
        path = f"/api/artifacts/{made['id']}/content"
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n".encode())
        assert raw.recv(10).startswith(b"HTTP/1.1 2")
    assert len(http.get(f"/api/artifacts/{made['id']}/content").content) == 2 * MB
    for raw in raws:
        raw.close()


def test_on_postgres_somebody_must_say_where_files_go(postgres_url: str) -> None:
    with connect(postgres_url) as owner:
        crew = crew_of(owner)
        with pytest.raises(buildd.NotConfigured, match="set BUILDD_BLOBS"):
            crew.lease.artifacts.upload(b"x", worker_id=crew.id)
        with pytest.raises(buildd.NotFound):
            crew.another().lease.artifacts.upload(b"x", worker_id=crew.id)


def test_beside_a_sqlite_file_they_are_kept_by_themselves(sqlite_url: str, tmp_path: Path) -> None:
    with connect(sqlite_url) as owner:
        crew = crew_of(owner)
        assert not (tmp_path / "buildd.db.blobs").exists()
        made = crew.lease.artifacts.upload(b"x", worker_id=crew.id)
        [file] = kept(tmp_path / "buildd.db.blobs")
        file.unlink()
        with pytest.raises(buildd.NotFound, match="bytes of this file"):
            list(owner.artifacts.content(id=made.id))


def test_100_megabytes_take_no_memory(sqlite_url: str) -> None:
    """The server is a process of its own; the client, which is measured too, is this one."""
    program = (
        "import resource, sys, threading\n"
        "from contextlib import closing\n"
        "from buildd.broker import Broker\n"
        "from tests.conftest import serving\n"
        "with closing(Broker.open(sys.argv[1])) as broker, serving(broker) as address:\n"
        "    print(address, flush=True)\n"
        "    for line in sys.stdin:\n"
        "        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, sqlite_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        asked, answered = process.stdin, process.stdout

        def peaks() -> tuple[int, int]:
            asked.write("\n")
            asked.flush()
            here = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return here, int(answered.readline())

        with connect(answered.readline().strip()) as owner:
            crew = crew_of(owner)
            small = crew.lease.artifacts.upload((b"x" * MB for _ in range(2)), worker_id=crew.id)
            assert sum(map(len, owner.artifacts.content(id=small.id))) == 2 * MB
            before = peaks()
            large = crew.lease.artifacts.upload((b"x" * MB for _ in range(100)), worker_id=crew.id)
            assert large.size == FileLimits().file_bytes == 100 * MB
            assert sum(map(len, owner.artifacts.content(id=large.id))) == 100 * MB
            grown = [after - first for after, first in zip(peaks(), before, strict=True)]
        asked.close()
    assert max(grown) < 30 * 1024, f"{grown} KiB more here and in the server"


def _connected(http: httpx2.Client) -> socket.socket:
    address = urlsplit(str(http.base_url))
    raw = socket.create_connection((str(address.hostname), int(address.port or 0)))
    raw.settimeout(PATIENCE)
    return raw


def _head(http: httpx2.Client, crew: Crew, length: str) -> bytes:
    lines = (
        f"POST {upload_path(crew)} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: {http.headers['authorization']}",
        length,
    )
    return "\r\n".join([*lines, "", ""]).encode()
