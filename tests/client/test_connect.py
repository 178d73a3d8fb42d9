"""What `connect` makes of an address, and of one that is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import buildd
from buildd import ConfigError, environment
from buildd.client import as_async
from buildd.client._http_async import AsyncHttpTransport
from buildd.client._http_sync import HttpTransport
from buildd.operations import ListTasks
from tests.client.conftest import Half, Scripted
from tests.client.scripted import reply


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BUILDD_SERVER", "BUILDD_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "url",
    [
        "tasks.example.com",
        "ftp://tasks.example.com",
        "mysql://me:hunter2@db/buildd",
        "http://",
        "http://me:hunter2@tasks.example.com",
        "https://tasks.example.com?key=hunter2",
        "http://tasks.example.com:hunter2",
        "http://[::1",
        "https://hunter2\x00.example.com",
    ],
)
@pytest.mark.parametrize("open_client", [buildd.connect, buildd.connect_async])
def test_a_wrong_address_is_one_clear_line_that_repeats_no_secret(
    open_client: Callable[[str], object], url: str
) -> None:
    with pytest.raises(ConfigError, match="URL") as caught:
        open_client(url)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_unknown_scheme_names_the_accepted_forms() -> None:
    with pytest.raises(ConfigError, match=r"http://…, https://…, sqlite:///… or postgresql://…"):
        buildd.connect("redis://localhost")


@pytest.mark.parametrize("key", ["", "buildd_secret\n", "two words", "schlüssel"])
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigError, match="API key") as caught:
        buildd.connect("http://127.0.0.1:1", api_key=key)
    assert key == "" or key not in str(caught.value)
    with buildd.connect("http://127.0.0.1:1") as bd, pytest.raises(ConfigError, match="API key"):
        bd.with_key(key)


def test_without_an_address_it_is_the_environment_then_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert environment.server() == "http://127.0.0.1:3000"
    with buildd.connect() as bd:
        assert isinstance(bd.transport, HttpTransport)
        assert bd.transport.address == "http://127.0.0.1:3000"
    monkeypatch.setenv("BUILDD_SERVER", "https://tasks.example.com ")
    with buildd.connect() as bd:
        assert isinstance(bd.transport, HttpTransport)
        assert bd.transport.address == "https://tasks.example.com"


def test_the_key_is_the_one_given_else_the_environment_s(
    half: Half, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDD_API_KEY", "buildd_from_outside\n")
    server = scripted(reply(200, []), reply(200, []))
    half.send(server.url, ListTasks())
    half.send(server.url, ListTasks(), key="buildd_given")
    shown = [request.headers["authorization"] for request in server.received]
    assert shown == ["Bearer buildd_from_outside", "Bearer buildd_given"]


def test_another_key_shares_the_connection_and_does_not_close_it(scripted: Scripted) -> None:
    server = scripted(reply(200, []), reply(200, []))
    with buildd.connect(server.url, api_key="buildd_mine") as bd:
        with bd.with_key("buildd_lease_other") as other:
            assert other.tasks.list() == []
        assert bd.tasks.list() == []
    shown = [request.headers["authorization"] for request in server.received]
    assert shown == ["Bearer buildd_lease_other", "Bearer buildd_mine"]


def test_a_closed_client_says_so() -> None:
    bd = buildd.connect("http://127.0.0.1:1")
    bd.close()
    with pytest.raises(ConfigError, match="this client is closed"):
        bd.tasks.list()


async def list_over_twin(bd: buildd.Client) -> int:
    async with as_async(bd) as twin:
        assert isinstance(twin.transport, AsyncHttpTransport)
        return len(await twin.tasks.list())


def test_a_client_has_a_counterpart_for_event_loops(scripted: Scripted) -> None:
    import anyio

    server = scripted(reply(200, []))
    with buildd.connect(server.url, api_key="buildd_mine") as bd:
        assert anyio.run(list_over_twin, bd) == 0
    assert server.received[0].headers["authorization"] == "Bearer buildd_mine"


def test_a_wrong_field_is_named_before_anything_is_sent() -> None:
    with buildd.connect("http://127.0.0.1:1") as bd, pytest.raises(buildd.Invalid) as caught:
        bd.tasks.create(workspace_id="ws_1", title="")
    assert [each["field"] for each in caught.value.errors] == ["title"]
