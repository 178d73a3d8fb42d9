"""Whatever URL somebody gives us, nothing inside is reached; and what is allowed is really spoken to."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from buildd.destinations import Address, Destination, Reach, is_public
from buildd.errors import BuilddError, Forbidden, Unavailable
from buildd.outbound import Outbound, Resolve
from tests.hooks.receiver import CLOSE, RESET, Receiver, free_on

NOT_A_URL = [
    "",
    "hooks.example",
    "//127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_x",
    "unix:/run/docker.sock",
    "https:///path",
    "https://:{port}/",
    "https://[::1:{port}/",
    "https://[127.0.0.1]:{port}/",
    "https://[fe80::1%25lo]:{port}/",
    "https://[::1%lo]:{port}/",
    "https://hooks.example:99999/",
    "https://hooks.example:{port}a/",
    "https://hooks.example@127.0.0.1:{port}/",
    "https://user:pass@127.0.0.1:{port}/",
    "https://@127.0.0.1:{port}/",
    "https://hooks.example:443@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/#@hooks.example/",
    "https://hooks.example#@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}\\@hooks.example/",
    "https://hooks.example\\.127.0.0.1/",
    "https://127.0.0.1 :{port}/",
    " https://127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/\r\nHost: hooks.example",
    "https://127.0.0.1\t:{port}/",
    "https://2130706433:{port}/",
    "https://0x7f000001:{port}/",
    "https://017700000001:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://0x7f.0.0.1:{port}/",
    "https://0x7f.1:{port}/",
    "https://127.1:{port}/",
    "https://127.0.1:{port}/",
    "https://127.0.0.01:{port}/",
    "https://0:{port}/",
    "https://127.0.0.1.:{port}/",
    "https://localhost.:{port}/",
    "https://127.0.0.256:{port}/",
    "https://127.0.0.0x1:{port}/",
    "https://hooks.example.0x7f:{port}/",
    "https://①②⑦.0.0.1:{port}/",
    "https://127。0。0。1:{port}/",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/",
    "https://bücher.example:{port}/",
    "https://-bad.example:{port}/",
    "https://a..b:{port}/",
    "https://%6c%6f%63%61%6c%68%6f%73%74:{port}/",
    "https://127.0.0.1%00.hooks.example:{port}/",
    "https://hooks.example/" + "a" * 2000,
]
NOT_PUBLIC = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104 - looks at what it leads to
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.7",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:0808:0808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
NAMES = {
    "hooks.example": ["8.8.8.8"],
    "inside.example": ["10.1.2.3"],
    "mixed.example": ["8.8.8.8", "127.0.0.1"],
    "xn--bcher-kva.example": ["127.0.0.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nothing.example": [],
}


async def known(there: Destination) -> Sequence[Address]:
    if there.host not in NAMES:
        raise OSError
    return [ip_address(each) for each in NAMES[there.host]]


def post(
    url: str, resolve: Resolve = known, allow: Sequence[str] = (), tls: ssl.SSLContext | None = None
) -> int:
    outbound = Outbound(Reach.of(allow), resolve, lambda: tls or ssl.create_default_context())
    return asyncio.run(outbound.post(Destination.of(url), {"webhook-id": "dlv_1"}, b"{}"))


@pytest.fixture(scope="module")
def canary() -> Iterator[Receiver]:
    """Listens wherever this machine can be reached, and hears nothing in the end."""
    everywhere = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - it is to be found
    with Receiver(everywhere) as listens:
        yield listens
        assert listens.opened == 0
        assert post(f"http://127.0.0.1:{listens.port}/", allow=["127.0.0.1"]) == 204
        assert listens.opened == 1


@pytest.mark.parametrize("url", NOT_A_URL)
def test_what_could_be_read_in_two_ways_is_no_url(url: str, canary: Receiver) -> None:
    with pytest.raises(ValueError, match=r"must|has") as refused:
        post(url.format(port=canary.port), allow=["0.0.0.0/0", "::/0"])
    assert "127.0.0" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_addresses_that_are_not_public_are_out_of_reach(scheme: str, canary: Receiver) -> None:
    for address in NOT_PUBLIC:
        host = f"[{address}]" if ":" in address else address
        for port in (canary.port, 443):
            with pytest.raises(Forbidden, match="not a public one") as refused:
                post(f"{scheme}://{host}:{port}/latest/meta-data/")
            assert address not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    ["inside.example", "mixed.example", "xn--bcher-kva.example", "MAPPED.example"],
)
def test_names_of_such_addresses_are_out_of_reach_too(name: str, canary: Receiver) -> None:
    with pytest.raises(Forbidden, match=r"public"):
        post(f"https://{name}:{canary.port}/")
    with pytest.raises(Forbidden, match="not a public one"):
        post(f"https://{name}/")


def test_the_name_of_this_machine_is_out_of_reach(canary: Receiver) -> None:
    outbound = Outbound(Reach())
    with pytest.raises(Forbidden, match="not a public one"):
        asyncio.run(outbound.post(Destination.of(f"http://localhost:{canary.port}/"), {}, b""))


@pytest.mark.parametrize("name", ["nothing.example", "unknown.example"])
def test_names_without_an_address_are_told_from_refusals(name: str) -> None:
    with pytest.raises(Unavailable, match="its name"):
        post(f"https://{name}/")


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_take_https_on_the_usual_ports_only(address: str) -> None:
    reach, there = Reach(), ip_address(address)
    assert is_public(there)
    for url, refusal in {
        "https://hooks.example/": None,
        "https://hooks.example:8443/": None,
        "http://hooks.example/": "only https",
        "http://hooks.example:443/": "only https",
        "https://hooks.example:22/": "only the ports 443, 8443",
        "https://hooks.example:6379/": "only the ports",
    }.items():
        said = reach.refusal(Destination.of(url), there)
        assert (said is None) if refusal is None else (said or "").startswith(refusal)


def test_a_name_is_looked_up_once_for_each_call() -> None:
    port = free_on("127.0.0.1", "127.0.0.2")
    answers = [["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1"]]
    asked = []

    async def rebinding(there: Destination) -> Sequence[Address]:
        asked.append(there.host)
        return [ip_address(each) for each in answers[len(asked) - 1]]

    with Receiver("127.0.0.2", port) as outside, Receiver("127.0.0.1", port) as inside:
        url = f"http://rebinding.example:{port}/x?y=1"
        assert post(url, rebinding, ["127.0.0.2"]) == 204
        assert asked == ["rebinding.example"]
        for _ in range(2):
            with pytest.raises(Forbidden):
                post(url, rebinding, ["127.0.0.2"])
        assert (outside.opened, inside.opened) == (1, 0)
        [call] = outside.calls
    assert call.headers["host"] == f"rebinding.example:{port}"
    assert (call.target, call.body) == ("/x?y=1", b"{}")


@pytest.mark.parametrize(
    "where", ["http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:{port}/"]
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(where: str, status: int, canary: Receiver) -> None:
    location = {"location": where.format(port=canary.port)}
    with Receiver("127.0.0.2", answer=lambda _: status, headers=location) as receiver:
        assert post(receiver.url, allow=["127.0.0.2"]) == status
        assert len(receiver.calls) == 1


def test_no_proxy_of_this_machine_is_asked(
    canary: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        for each in (name, name.upper()):
            monkeypatch.setenv(each, f"http://127.0.0.1:{canary.port}")
    with Receiver("127.0.0.2") as receiver:
        assert post(receiver.url, allow=["127.0.0.2"]) == 204


@pytest.mark.parametrize("how", [RESET, CLOSE])
def test_a_connection_that_breaks_is_told_as_that(how: int) -> None:
    with (
        Receiver(answer=lambda _: how) as receiver,
        pytest.raises(Unavailable, match="the connection broke"),
    ):
        post(receiver.url, allow=["127.0.0.1"])


def test_another_address_of_the_name_is_tried_where_nobody_listens() -> None:
    async def two(_there: Destination) -> Sequence[Address]:
        return [ip_address("127.0.0.3"), ip_address("127.0.0.2")]

    with Receiver("127.0.0.2") as receiver:
        url = f"http://two.example:{receiver.port}/"
        assert post(url, two, ["127.0.0.0/8"]) == 204
    with pytest.raises(Unavailable, match="cannot be reached"):
        post(url, two, ["127.0.0.0/8"])


class Authority:
    """A certificate authority of this test's own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's authority")])
        made = self._certificate(self._name, self._key, x509.BasicConstraints(True, None))
        self.trusting = ssl.create_default_context(
            cadata=made.public_bytes(serialization.Encoding.PEM).decode()
        )

    def server(self, *names: str, days: int = 1) -> ssl.SSLContext:
        """What a server of these names shows."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [
            x509.IPAddress(ipaddress.ip_address(each)) if each[0].isdigit() else x509.DNSName(each)
            for each in names
        ]
        made = self._certificate(
            x509.Name([]), key, x509.SubjectAlternativeName(alternatives), days=days
        )
        path = self._directory / f"{names[0]}.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        extension: x509.ExtensionType,
        days: int = 1,
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=2))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(extension, critical=True)
            .sign(self._key, hashes.SHA256())
        )


def test_the_certificate_is_checked_for_the_name_though_an_address_is_connected_to(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)

    async def here(_there: Destination) -> Sequence[Address]:
        return [ip_address("127.0.0.2")]

    def call(name: str, tls: ssl.SSLContext | None) -> int:
        return post(f"https://{name}:{receiver.port}/", here, ["127.0.0.2"], tls)

    with Receiver("127.0.0.2", tls=authority.server("hooks.example", "127.0.0.2")) as receiver:
        assert call("hooks.example", authority.trusting) == 204
        assert call("127.0.0.2", authority.trusting) == 204
        with pytest.raises(Unavailable, match="certificate is not valid: Hostname mismatch"):
            call("other.example", authority.trusting)
        with pytest.raises(Unavailable, match="certificate is not valid: unable to get local"):
            call("hooks.example", None)
        by_name, by_address = receiver.calls
    assert (by_name.sni, by_address.sni) == ("hooks.example", None)
    assert by_name.headers["host"] == f"hooks.example:{receiver.port}"
    with (
        Receiver("127.0.0.2", tls=authority.server("hooks.example", days=-1)) as receiver,
        pytest.raises(Unavailable, match="certificate has expired"),
    ):
        call("hooks.example", authority.trusting)
    with Receiver("127.0.0.2") as receiver, pytest.raises(BuilddError, match="does not speak TLS"):
        call("hooks.example", authority.trusting)
