"""The whole of it behind nginx, with the configuration that is shipped."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.deploy.processes import ADMIN_KEY, Server, crew
from tests.patience import PATIENCE, until

pytestmark = pytest.mark.real

SHIPPED = Path(__file__).parents[2] / "examples" / "deploy" / "nginx.conf"
NAME = "buildd.example.com"
CLIENT = "127.0.0.2"
"""Where the clients of these tests seem to be; nginx itself reaches the server from 127.0.0.1."""
MB = 2**20
CERTIFICATE = (
    f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={NAME}"
    " -keyout privkey.pem -out fullchain.pem"
)

AROUND = """\
daemon off;
pid nginx.pid;
error_log stderr;
{user}
events {{ worker_connections 256; }}
http {{
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
{shipped}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextmanager
def nginx(directory: Path, port: int, server: Server) -> Iterator[None]:
    """nginx with the shipped file, in which only addresses and paths are other ones."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "apt-get install nginx-light"
    shipped = SHIPPED.read_text()
    for there, here in {
        "127.0.0.1:3000": f"127.0.0.1:{server.port}",
        "listen 443": f"listen 127.0.0.1:{port}",
        "    listen [::]:443 ssl http2;\n": "",
        "/etc/ssl/buildd/": f"{directory}/",
        "/var/log/nginx/": f"{directory}/",
    }.items():
        assert there in shipped
        shipped = shipped.replace(there, here)
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(AROUND.format(user=user, shipped=shipped))
    process = subprocess.Popen([program, "-p", str(directory), "-c", "nginx.conf"])
    try:
        until(lambda: _answers(port))
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Site:
    """The server, and clients that come to it by https."""

    def __init__(self, directory: Path, port: int, server: Server) -> None:
        self.directory = directory
        self.server = server
        self._url = f"https://127.0.0.1:{port}"
        self._tls = ssl.create_default_context(cafile=str(directory / "fullchain.pem"))
        self._tls.check_hostname = False

    def client(self, key: str | None = None, **headers: str) -> httpx2.Client:
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        return httpx2.Client(
            base_url=self._url,
            headers={"host": NAME, **headers},
            transport=httpx2.HTTPTransport(verify=self._tls, local_address=CLIENT),
            timeout=PATIENCE,
        )

    def admin(self) -> httpx2.Client:
        return self.client(ADMIN_KEY)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    at = tmp_path_factory.mktemp("site")
    subprocess.run(
        CERTIFICATE.split(),
        cwd=at,
        check=True,
        capture_output=True,
    )
    environ = {"BUILDD_PUBLIC_URL": f"https://{NAME}", "BUILDD_TRUSTED_PROXIES": "127.0.0.1/32"}
    with ExitStack() as held:
        server = held.enter_context(Server(f"sqlite:///{at}/buildd.db", at, environ))
        port = free_port()
        held.enter_context(nginx(at, port, server))
        yield Site(at, port, server)


def test_it_is_ready(site: Site) -> None:
    with site.client() as client:
        answer = client.get("/ready")
        assert (answer.status_code, answer.headers["x-request-id"] != "") == (200, True)
        assert "max-age" in answer.headers["strict-transport-security"]


def test_events_come_one_by_one(site: Site) -> None:
    """The second is made only once the first has come: whatever holds one back, holds it for ever."""
    with site.admin() as admin, site.admin() as listener:
        workspace = made(admin, "/api/workspaces", name="shop")["id"]
        with listener.sse(f"/api/events?workspaceId={workspace}&types=task:created") as events:
            heard = iter(events)
            for title in ("one", "two"):
                task = made(admin, "/api/tasks", workspaceId=workspace, title=title)
                assert task["id"] in next(heard).data


def test_a_claim_waits_and_a_browser_logs_in_and_listens(site: Site) -> None:
    with site.server.owner() as bd, site.client() as browser:
        team = crew(bd)
        with site.client(team.key) as agent:
            assert agent.post("/api/workers/claim", json={"waitSeconds": 1}).json()["workers"] == []
        login = browser.post("/api/auth/session", headers=bearer(team.key))
        assert login.status_code == 201, login.text
        cookie = login.headers["set-cookie"]
        assert cookie.startswith("__Host-buildd=")
        assert "Secure" in cookie
        own = {"cookie": cookie.split(";")[0], "origin": f"https://{NAME}"}
        ticket = browser.post("/api/auth/ticket", headers=own, json={}).json()["ticket"]
        with browser.sse(f"/api/events?ticket={ticket}") as events:
            task = bd.tasks.create(workspace_id=team.workspace, title="x")
            assert any(task.id in event.data for event in events)
        foreign = {**own, "origin": "https://elsewhere.example.com"}
        assert browser.post("/api/auth/ticket", headers=foreign, json={}).status_code == 403
    written = (site.directory / "buildd.log").read_text()
    assert "/api/events" in written
    assert ticket not in written


def test_a_big_file_passes_through_without_being_stored_on_the_way(site: Site) -> None:
    piece = os.urandom(MB)
    with site.server.owner() as bd, site.client() as client:
        team = crew(bd)
        task = bd.tasks.create(workspace_id=team.workspace, title="x")
        [claimed] = bd.with_key(team.key).workers.claim(task_id=task.id).workers
        lease = {**bearer(claimed.lease.token), "content-type": "application/octet-stream"}
        path = f"/api/workers/{claimed.id}/artifacts/content"
        sent = client.post(path, headers=lease, content=iter([piece] * 40))
        assert sent.status_code == 201, sent.text
        assert sent.json()["size"] == 40 * MB
        with client.stream(
            "GET", f"/api/artifacts/{sent.json()['id']}/content", headers=lease
        ) as got:
            assert sum(map(len, got.iter_bytes())) == 40 * MB
    stored = [each for name in ("body", "proxy") for each in (site.directory / name).rglob("*")]
    assert not [each for each in stored if each.is_file()]


def test_the_audit_log_has_the_clients_address(site: Site) -> None:
    with site.client(ADMIN_KEY, **{"x-forwarded-for": "203.0.113.9"}) as admin:
        name = made(admin, "/api/workspaces", name="from afar")["id"]
        [entry] = [each for each in admin.get("/api/audit").json() if name in str(each)]
        assert entry["address"] == CLIENT


def test_the_server_is_started_again_behind_it(site: Site) -> None:
    with site.admin() as admin:
        assert site.server.stop() == 0
        assert admin.get("/ready").status_code == 502
        site.server.start()
        assert admin.get("/ready").status_code == 200


def made(client: httpx2.Client, path: str, **fields: str) -> dict[str, str]:
    answer = client.post(path, json=fields)
    assert answer.is_success, answer.text
    found: dict[str, str] = answer.json()
    return found


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}
