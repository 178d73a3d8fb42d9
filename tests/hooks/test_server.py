"""A server as it is started calls hooks, where its operator lets it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import buildd
from buildd.client import Client
from buildd.errors import ConfigError
from buildd_server.settings import Settings
from tests.cli.conftest import ADMIN_KEY, environ_of
from tests.hooks.receiver import Receiver
from tests.patience import PATIENCE, until


@pytest.fixture
def bd(tmp_path: Path) -> Iterator[Client]:
    settings = {"BUILDD_ADMIN_KEY": ADMIN_KEY, "BUILDD_HOOKS_ALLOW": "127.0.0.2/32"}
    process = subprocess.Popen(
        [sys.executable, "-m", "buildd_server", "--port", "0"],
        cwd=tmp_path,
        env={**environ_of(tmp_path), **settings},
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        assert process.stdout is not None
        url = next(word for word in process.stdout.readline().split() if "://" in word)
        with buildd.connect(url, api_key=ADMIN_KEY) as client:
            yield client
        process.terminate()
        process.wait(PATIENCE)


def test_a_server_calls_what_it_may_and_nothing_else(bd: Client) -> None:
    with Receiver("127.0.0.2") as allowed, Receiver("127.0.0.1") as inside:
        refused = bd.hooks.create(url=inside.url)
        hook = bd.hooks.create(url=allowed.url)
        bd.hooks.test(id=refused.id)
        sent = bd.hooks.test(id=hook.id)
        [call] = allowed.heard(1)
        assert call.headers["webhook-id"] == sent.id
        until(lambda: bd.hooks.deliveries(hook_id=refused.id)[0].error is not None)
        assert "not a public one" in (bd.hooks.get(id=refused.id).last_error or "")
        assert inside.opened == 0
    for change in (bd.hooks.rotate, bd.hooks.get):
        assert change(id=hook.id).url == allowed.url
    assert [each.id for each in bd.hooks.list()] == [hook.id, refused.id]
    assert bd.hooks.delete(id=hook.id).deleted


def test_networks_that_are_none_keep_a_server_from_starting() -> None:
    def of(networks: str) -> Settings:
        return Settings.of(
            {"BUILDD_HOOKS_ALLOW": networks}, host="127.0.0.1", port=0, database="sqlite:///x"
        )

    assert len(of("10.0.0.0/8, fd00::/8").reach.private) == 2
    assert of("").reach.private == ()
    with pytest.raises(ConfigError, match="BUILDD_HOOKS_ALLOW must be networks such as"):
        of("10.0.0.1/8")
