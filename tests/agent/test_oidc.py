"""How an agent in GitHub Actions logs in without a key, and what it says where it cannot."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from buildd.agent import oidc
from buildd.agent.oidc import key_of_run
from buildd.errors import BuilddError, ConfigError, NotAuthenticated, Unavailable
from buildd.ids import Secret, new_secret
from tests.github.issuer import Issuer

TOKEN = new_secret(Secret.ACQUIRE)
DOCUMENT = {"detail": "this run may not log in", "code": "not_authenticated", "status": 401}
NO_PROXY = {"http_proxy": "http://127.0.0.1:9"}
"""The environment of a machine whose proxy leads nowhere: nothing on loopback may go through it."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "_PAUSES", (0.01, 0.01, 0.01))
    for name, value in NO_PROXY.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
def run(issuer: Issuer, tmp_path: Path) -> dict[str, str]:
    """The environment of a job that buildd has started, and that may log in."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"client_payload": {"launch": "ours/lch_1", "task_id": "task_1"}}))
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_PATH": str(event),
        **issuer.environment(9_000_000_001),
    }


@contextmanager
def answering(*answers: tuple[int, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that gives these answers, the last one for ever; its URL, and what it was asked."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, said = answers[min(len(asked), len(answers) - 1)]
            asked.append({"path": self.path, **body})
            raw = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def test_outside_of_actions_there_is_nothing_to_log_in_with(run: dict[str, str]) -> None:
    for said in ({}, {**run, "GITHUB_ACTIONS": ""}, {"CI": "true"}):
        assert key_of_run("http://127.0.0.1:9", said) is None


def test_a_run_swaps_githubs_token_for_its_own(
    run: dict[str, str], issuer: Issuer, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering((200, {"token": TOKEN})) as (server, asked):
        assert key_of_run(f"{server}/", run) == TOKEN
    [sent] = asked
    assert (sent["path"], sent["launchId"]) == ("/api/auth/github-oidc", "lch_1")
    assert issuer.audiences == [server]
    assert capsys.readouterr().out.splitlines() == [
        f"::add-mask::{sent['token']}",
        f"::add-mask::{TOKEN}",
    ]


def test_each_try_has_a_token_of_its_own(run: dict[str, str], issuer: Issuer) -> None:
    issuer.away = 1
    busy = (503, {"code": "unavailable", "detail": "later"})
    with answering((502, b"<html>"), busy, (200, {"token": TOKEN})) as (server, asked):
        assert key_of_run(server, run) == TOKEN
    assert len({each["token"] for each in asked}) == 3


def test_a_refusal_is_final_and_one_line(run: dict[str, str]) -> None:
    with (
        answering((401, DOCUMENT)) as (server, asked),
        pytest.raises(NotAuthenticated, match=r"^this run may not log in$"),
    ):
        key_of_run(server, run)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((404, b"<html>not here</html>"), r"did not let this run log in \(404\)"),
        ((200, b"<html>a login page</html>"), r"did not let this run log in \(200\)"),
        ((200, {}), "answered without a token"),
        ((200, {"token": "two\nlines"}), "answered without a token"),
        ((302, b""), r"did not let this run log in \(302\)"),
    ],
)
def test_what_is_no_answer_of_ours_is_said_to_be_none(
    run: dict[str, str], answer: tuple[int, Any], words: str
) -> None:
    with answering(answer) as (server, _), pytest.raises(BuilddError, match=words):
        key_of_run(server, run)


def test_a_server_that_stays_away_is_given_up(run: dict[str, str]) -> None:
    with pytest.raises(Unavailable, match=r"http://127.0.0.1:9 does not answer \(ConnectError\)"):
        key_of_run("http://127.0.0.1:9", run)


def test_a_github_that_stays_away_is_given_up(run: dict[str, str], issuer: Issuer) -> None:
    issuer.away = 99
    with pytest.raises(Unavailable, match=r"GitHub cannot do that now \(503\)"):
        key_of_run("http://127.0.0.1:9", run)


def test_a_job_without_the_permission_is_told_which_it_needs(run: dict[str, str]) -> None:
    del run["ACTIONS_ID_TOKEN_REQUEST_URL"]
    with pytest.raises(ConfigError, match="permissions: id-token: write"):
        key_of_run("http://127.0.0.1:9", run)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"inputs": None},
        {"inputs": {"launch": ""}},
        {"client_payload": {"task_id": "task_1"}},
        {"client_payload": {"launch": {"id": "lch_1"}}},
    ],
)
def test_a_run_that_a_person_started_is_told_so(run: dict[str, str], event: Any) -> None:
    Path(run["GITHUB_EVENT_PATH"]).write_text(json.dumps(event))
    with pytest.raises(ConfigError, match="was not started by buildd"):
        key_of_run("http://127.0.0.1:9", run)


@pytest.mark.parametrize("text", ["", "[", "[]", '{"client_payload": "launch"}'])
def test_an_event_that_is_none_is_told_in_one_line(run: dict[str, str], text: str) -> None:
    Path(run["GITHUB_EVENT_PATH"]).write_text(text)
    with pytest.raises(ConfigError, match="GITHUB_EVENT_PATH cannot be read"):
        key_of_run("http://127.0.0.1:9", run)
