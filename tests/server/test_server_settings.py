"""Settings: what counts as set, what counts as this machine, and what is never shown."""

from __future__ import annotations

import pytest

from buildd import plugins
from buildd.errors import ConfigError
from buildd.loopback import is_loopback
from buildd_server.listening import listen, shown
from buildd_server.serving import _means
from buildd_server.settings import Settings


def of(environ: dict[str, str]) -> Settings:
    return Settings.of(environ, host="127.0.0.1", port=3000, database="sqlite:///buildd.db")


def test_an_empty_line_of_an_env_file_sets_nothing() -> None:
    empty = of({"BUILDD_ADMIN_KEY": "", "BUILDD_SECRET": " ", "BUILDD_LEASE_TTL": ""})
    assert empty == of({})
    assert empty.admin_key is None
    assert empty.secret is None


def test_secrets_are_read_and_not_shown() -> None:
    settings = of({"BUILDD_ADMIN_KEY": "a long enough key", "BUILDD_SECRET": "pepper"})
    assert (settings.admin_key, settings.secret) == ("a long enough key", b"pepper")
    assert "key" not in repr(settings).replace("admin_key", "")
    assert "pepper" not in repr(settings)


def test_credentials_at_github_are_read_and_not_shown() -> None:
    token, api = "ghp_a_token", "https://github.example.com/api/v3"
    settings = of({"BUILDD_GITHUB_TOKEN": token, "BUILDD_GITHUB_API": api})
    assert settings.github == {"token": token, "api": api}
    assert token not in repr(settings)
    assert of({"BUILDD_GITHUB_API": api}).github == {}


@pytest.mark.parametrize("setting", ["token", "app_id", "app_key_file", "api"])
def test_no_pool_has_credentials_of_its_own_or_sends_the_servers_elsewhere(setting: str) -> None:
    settings = of({"BUILDD_GITHUB_TOKEN": "ghp_a_token"})
    with listen("127.0.0.1", 0)[0] as listener:
        means = _means(settings, plugins.load(), listener)
    config = {"repository": "acme/shop"}
    assert means.runners("github_actions", config)
    with pytest.raises(ConfigError, match=f"config.{setting}: set BUILDD_GITHUB_{setting.upper()}"):
        means.runners("github_actions", {**config, setting: "https://evil.example"})


def test_runs_are_signed_for_by_github_or_an_installation_of_ones_own() -> None:
    assert of({}).github_issuer == "https://token.actions.githubusercontent.com"
    own = "https://github.example.com/_services/token"
    assert of({"BUILDD_GITHUB_OIDC_ISSUER": f"{own}/"}).github_issuer == own
    here = "http://127.0.0.1:9"
    assert of({"BUILDD_GITHUB_OIDC_ISSUER": here}).github_issuer == here


@pytest.mark.parametrize(
    "issuer",
    [
        "http://github.example.com",
        "github.example.com",
        "https://me@h",
        "https://h?x",
        "https://[",
        "file:///keys",
    ],
)
def test_an_issuer_that_others_could_speak_for_is_refused(issuer: str) -> None:
    with pytest.raises(ConfigError, match="BUILDD_GITHUB_OIDC_ISSUER must look like"):
        of({"BUILDD_GITHUB_OIDC_ISSUER": issuer})


def test_a_lease_is_set_in_seconds() -> None:
    assert of({"BUILDD_LEASE_TTL": "12.5"}).lease.ttl == 12.5


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1"])
def test_addresses_of_this_machine_only(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "10.0.0.1", "::", "example.com", "localhost.example", "127"])
def test_addresses_that_others_may_reach(host: str) -> None:
    assert not is_loopback(host)


def test_passwords_are_not_printed() -> None:
    for url in ("postgres://u:hunter2@h/d", "postgresql://h/d?user=u&password=hunter2"):
        assert "hunter2" not in shown(url)


def test_every_address_of_a_name_gets_the_same_port() -> None:
    sockets = listen("localhost", 0)
    assert len({each.getsockname()[1] for each in sockets}) == 1
    for each in sockets:
        each.close()


def test_a_url_that_is_none_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="--database must be a URL such as sqlite:///"):
        shown("nonsense")


@pytest.mark.parametrize("url", ["https://buildd.example.com/", "http://10.0.0.1:3000/under"])
def test_the_url_at_which_agents_reach_the_server(url: str) -> None:
    assert of({"BUILDD_PUBLIC_URL": url}).public_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["buildd.example.com", "ftp://x", "https://", "https://x/?key=1", "https://[x", "https://me@x"],
)
def test_what_is_no_url_is_refused_by_its_name(url: str) -> None:
    with pytest.raises(ConfigError, match="BUILDD_PUBLIC_URL"):
        of({"BUILDD_PUBLIC_URL": url})
