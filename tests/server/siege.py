"""`python -m tests.server.siege`: one tenant does its worst to a server, another measures how it is served.

Ends with 1 if a figure is not kept. It needs a quiet machine: other people's work shows in the times.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import httpx2

from tests.patience import PATIENCE
from tests.server.serving import made

ADMIN_KEY = "the-administrator-key-of-a-siege"
MEGABYTE = 1 << 20
BYSTANDER = """
import json, sys, threading, time, httpx2
url, key = sys.stdin.readline().split()
times, statuses, stop = [], [], threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
with httpx2.Client(headers={"authorization": f"Bearer {key}"}, trust_env=False, timeout=60) as client:
    while not stop.wait(0.02):
        began = time.perf_counter()
        statuses.append(client.get(url).status_code)
        times.append(time.perf_counter() - began)
print(json.dumps([times, statuses]))
"""
"""Another tenant at its work, in a process of its own: it asks, waits a little, and asks again."""

MOST_GROWTH = 100
"""Megabytes, by one attack."""

Seen = Counter[str]


@dataclass
class Besieged:
    """A server process, and the keys of two tenants."""

    process: subprocess.Popen[str]
    port: int
    good: str = field(default="", repr=False)
    bad: str = field(default="", repr=False)

    def rss(self) -> float:
        """Megabytes that it has in memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE

    def client(self, key: str) -> httpx2.Client:
        """A client with a key."""
        return httpx2.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"authorization": f"Bearer {key}"},
            trust_env=False,
            timeout=PATIENCE,
        )

    def connect(self, *lines: str) -> socket.socket:
        """A raw connection on which these lines of a head were sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        connection.sendall("".join(f"{line}\r\n" for line in lines).encode())
        return connection

    def ask(self, line: str, *lines: str) -> socket.socket:
        """A raw connection of the tenant that does its worst."""
        known = (f"{line} HTTP/1.1", "Host: x", f"Authorization: Bearer {self.bad}")
        return self.connect(*known, *lines, "")


@contextlib.contextmanager
def besieged(directory: Path) -> Iterator[Besieged]:
    """A server process on loopback, as `buildd server` starts it."""
    command = [sys.executable, "-m", "buildd_server", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--database", f"sqlite:///{directory / 'siege.db'}"],
        env={**os.environ, "BUILDD_ADMIN_KEY": ADMIN_KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = Besieged(process, int(line.partition("127.0.0.1:")[2].split()[0]))
        with found.client(ADMIN_KEY) as admin:
            for name in ("good", "bad"):
                account = made(admin, "/api/accounts", type="user", name=name)
                setattr(found, name, account["apiKey"])
        with found.client(found.bad) as bad:
            bad.get("/api/accounts/me")
        yield found
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def calm(_server: Besieged) -> Seen:
    """Nothing: what the other tenant sees then is what all else is compared with."""
    time.sleep(5)
    return Counter()


def huge_body(server: Besieged, size: int = 2 << 30) -> Seen:
    """A body without an end, sent as fast as it is taken."""
    connection = server.ask("POST /api/tasks", "Transfer-Encoding: chunked")
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with contextlib.suppress(OSError):
        for _ in range(size // 65536):
            connection.sendall(piece)
    return Counter([answer(connection)])


def deep_json(server: Besieged, times: int = 100) -> Seen:
    """Lists in lists, 100,000 deep."""
    return _post(server, "/api/tasks", b"[" * 100_000, times)


def many_fields(server: Besieged, times: int = 10, count: int = 400_000) -> Seen:
    """A million fields, as many as fit: of JSON, of a form, of a query."""
    body = b"{%b}" % b",".join(b'"%x":1' % number for number in range(count))
    seen = _post(server, "/api/tasks", body, times)
    seen += _post(server, "/api/tasks", b"&".join(b"%x=1" % n for n in range(count)), times)
    connection = server.connect()
    with contextlib.suppress(OSError):
        connection.sendall(b"GET /api/tasks?" + b"a=1&" * 1_000_000 + b" HTTP/1.1\r\n\r\n")
    seen[answer(connection)] += 1
    connection = server.connect(f"GET /api/tasks?{'a&' * 20_000} HTTP/1.1", "")
    seen[answer(connection)] += 1
    return seen


def slow_heads(server: Besieged, count: int = 500, seconds: float = 25) -> Seen:
    """Connections whose head comes line by line, for ever."""
    held = [server.connect("POST /api/tasks HTTP/1.1") for _ in range(count)]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for each in held:
            with contextlib.suppress(OSError):
                each.sendall(b"a: b\r\n")
        time.sleep(1)
    return Counter(answer(each, wait=0.01) for each in held)


def slow_bodies(server: Besieged, count: int = 500) -> Seen:
    """Bodies of which a part comes, and then nothing more."""
    held = []
    for number in range(count):
        held.append(server.ask("POST /api/tasks", "Content-Length: 4000000"))
        with contextlib.suppress(OSError):
            held[-1].sendall(b" " * 200_000)
        if number % 50 == 0:
            time.sleep(0.5)
    return Counter(answer(each, wait=0.05) for each in held)


def streams(server: Besieged, count: int = 10_000) -> Seen:
    """Event streams, 200 more in each second: more than the limits on requests let through."""
    held: list[socket.socket] = []
    for number in range(count):
        held.append(server.ask("GET /api/events"))
        if number % 50 == 0:
            time.sleep(0.25)
    return Counter(answer(each, wait=0.05) for each in held)


def _post(server: Besieged, path: str, body: bytes, times: int) -> Seen:
    seen: Seen = Counter()
    with server.client(server.bad) as client:
        for _ in range(times):
            seen[str(client.post(path, content=body).status_code)] += 1
    return seen


def answer(connection: socket.socket, wait: float = PATIENCE) -> str:
    """The status that came, or what else became of a connection. Closes it."""
    connection.settimeout(wait)
    with connection:
        try:
            head = connection.recv(4096)
        except TimeoutError:
            return "open"
        except ConnectionError:
            return "cut"
    return head.split(b" ", 2)[1].decode() if head else "cut"


@dataclass
class Phase:
    """What one attack did."""

    name: str
    before: float
    after: float
    milliseconds: float
    statuses: Counter[int]
    seen: Seen
    seconds: float


def attack(server: Besieged, deed: Callable[[Besieged], Seen]) -> Phase:
    """Do it, while the other tenant is at work."""
    before, began = server.rss(), time.monotonic()
    worker = subprocess.Popen(
        [sys.executable, "-c", BYSTANDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdin is not None
    worker.stdin.write(f"http://127.0.0.1:{server.port}/api/accounts/me {server.good}\n")
    worker.stdin.flush()
    time.sleep(1.5)  # It loads its HTTP library.
    seen = deed(server)
    times, statuses = json.loads(worker.communicate()[0])
    return Phase(
        deed.__name__,
        before,
        server.rss(),
        1000 * quantiles(times, n=100)[98],
        Counter(statuses),
        seen,
        time.monotonic() - began,
    )


def main() -> int:
    """Attack, and tell."""
    deeds = (calm, huge_body, deep_json, many_fields, slow_heads, slow_bodies, streams, calm)
    with (
        tempfile.TemporaryDirectory(prefix="buildd-siege-") as directory,
        besieged(Path(directory)) as server,
    ):
        phases = [attack(server, deed) for deed in deeds]
        alive = server.process.poll() is None
    usual = max(each.milliseconds for each in phases if each.name == calm.__name__)
    for each in phases:
        print(  # noqa: T201 - it is a program
            f"{each.name:12} {each.seconds:5.1f} s  {each.before:4.0f} → {each.after:4.0f} MB  "
            f"p99 {each.milliseconds:6.1f} ms  {dict(each.statuses)}  {dict(each.seen)}"
        )
    kept = {
        "memory": max(each.after - each.before for each in phases) < MOST_GROWTH,
        "times": max(each.milliseconds for each in phases) < 2 * usual,
        "answers": all(set(each.statuses) == {200} for each in phases),
        "alive": alive,
    }
    print(kept)  # noqa: T201 - it is a program
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
