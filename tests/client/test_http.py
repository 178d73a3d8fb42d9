"""What the HTTP transport makes of everything a network can do to it."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from buildd import errors
from buildd.client._resume import asked_pause
from buildd.operations import ClaimTasks, CompleteWorker, CreateTask, GetTask, ListTasks
from tests.client.conftest import Half, Scripted
from tests.client.scripted import SILENCE, problem, reply

TASK: dict[str, Any] = {
    "id": "task_1",
    "workspaceId": "ws_1",
    "title": "Fix it",
    "status": "pending",
    "createdAt": "2026-01-31T08:00:00Z",
    "updatedAt": "2026-01-31T08:00:00Z",
}
CREATE = CreateTask(workspace_id="ws_1", title="Fix it")


def test_an_operation_travels_with_its_key_and_comes_back_as_its_answer(
    half: Half, scripted: Scripted
) -> None:
    server = scripted(reply(201, TASK))
    task = half.send(server.url, CREATE, key="buildd_secret")
    assert (task.id, task.title) == ("task_1", "Fix it")
    sent = server.received[0]
    assert (sent.method, sent.path) == ("POST", "/api/tasks")
    assert sent.headers["authorization"] == "Bearer buildd_secret"
    assert sent.headers["content-type"] == "application/json"
    assert sent.body == b'{"workspaceId":"ws_1","title":"Fix it"}'


def test_a_question_travels_in_the_query_and_without_a_key_shows_none(
    half: Half, scripted: Scripted
) -> None:
    server = scripted(reply(200, [TASK]))
    [task] = half.send(server.url, ListTasks(workspace_id="ws_1", limit=5))
    assert task.id == "task_1"
    assert server.received[0].query == {"workspaceId": "ws_1", "limit": "5"}
    assert "authorization" not in server.received[0].headers


def test_a_server_may_stand_under_a_path(half: Half, scripted: Scripted) -> None:
    server = scripted(reply(200, TASK))
    half.send(f"{server.url}/team/", GetTask(id="task_1"))
    assert server.received[0].path == "/team/api/tasks/task_1"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, errors.Malformed),
        (401, errors.NotAuthenticated),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (409, errors.WrongState),
        (409, errors.LeaseLost),
        (422, errors.Invalid),
        (429, errors.RateLimited),
        (500, errors.InternalError),
        (503, errors.OutcomeUnknown),
    ],
)
def test_what_the_broker_raised_is_what_the_caller_catches(
    half: Half, scripted: Scripted, status: int, error: type[errors.BuilddError]
) -> None:
    server = scripted(problem(status, error.code, "the reason", attempt=3))
    with pytest.raises(error, match=r"^the reason$") as caught:
        half.send(server.url, CREATE)
    assert type(caught.value) is error
    assert caught.value.details == {"attempt": 3}


def test_nobody_listening_names_the_address_and_the_fix(half: Half) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(errors.Unreachable) as caught:
        half.send(f"http://127.0.0.1:{port}", CREATE)
    assert f"http://127.0.0.1:{port}" in caught.value.message
    assert "is `buildd server` running there?" in caught.value.message
    assert "\n" not in caught.value.message


def test_a_question_is_asked_again_when_the_server_is_not_ready(
    half: Half, scripted: Scripted
) -> None:
    server = scripted(
        problem(503, "unavailable", "not now"), b"HTTP/1.1 200 OK\r\nCont", reply(200, TASK)
    )
    assert half.send(server.url, GetTask(id="task_1")).id == "task_1"


def test_a_question_is_not_asked_for_ever(half: Half, scripted: Scripted) -> None:
    server = scripted(*[problem(503, "unavailable", "not now")] * 3)
    with pytest.raises(errors.Unavailable, match="not now"):
        half.send(server.url, GetTask(id="task_1"))


LIMITED = reply(429, b"slow down").replace(b"\r\n", b"\r\nRetry-After: 7\r\n", 1)


@pytest.mark.parametrize("answer", [LIMITED, problem(429, "rate_limited", "no", retryAfter=7)])
def test_what_a_rate_limit_refused_is_sent_again_when_it_may(
    half: Half, scripted: Scripted, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(f"{half.module}.asked_pause", lambda problem: _noted(asked, problem))
    server = scripted(answer, answer, reply(201, TASK))
    assert half.send(server.url, CREATE).id == "task_1"
    assert asked == [7, 7]


def _noted(asked: list[float], problem: errors.BuilddError) -> float:
    if isinstance(problem, errors.RateLimited):  # a reader whom an earlier test left may ask too
        asked.append(asked_pause(problem))
    return 0.001


def test_nobody_is_kept_waiting_for_minutes(half: Half, scripted: Scripted) -> None:
    server = scripted(problem(429, "rate_limited", "no", retryAfter=31))
    with pytest.raises(errors.RateLimited):
        half.send(server.url, GetTask(id="task_1"))


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\nContent-Le", reply(502, b"<h1>"), reply(200, b"<html>")]
)
def test_a_verb_whose_answer_is_lost_is_sent_once_and_said_to_be_unknown(
    half: Half, scripted: Scripted, answer: bytes
) -> None:
    server = scripted(answer)
    with pytest.raises(errors.OutcomeUnknown, match="look before you repeat"):
        half.send(server.url, CompleteWorker(id="wkr_1"))
    assert len(server.received) == 1


def test_a_silent_server_does_not_hold_a_verb_for_ever(
    half: Half, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{half.module}.ANSWER_SECONDS", 0.2)
    server = scripted(SILENCE)
    with pytest.raises(errors.OutcomeUnknown, match="no answer came in time"):
        half.send(server.url, CREATE)


def test_a_waiting_claim_is_given_the_time_it_asked_for(
    half: Half, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{half.module}.ANSWER_SECONDS", -0.7)
    server = scripted(SILENCE)
    with pytest.raises(errors.OutcomeUnknown, match="no answer came in time"):
        half.send(server.url, ClaimTasks(wait_seconds=1))


@pytest.mark.parametrize("answer", [reply(200, b"<html>"), reply(404, b"no"), reply(301, b"")])
def test_another_program_on_the_port_is_told_from_a_broker(
    half: Half, scripted: Scripted, answer: bytes
) -> None:
    server = scripted(answer)
    with pytest.raises(errors.ConfigError, match="no buildd server of this version"):
        half.send(server.url, GetTask(id="task_1"))
