"""Event streams over HTTP: cut anywhere, they go on without a gap."""

from __future__ import annotations

import socket

import pytest

from buildd import errors
from buildd.events import EventType
from tests.client.conftest import Half, Scripted
from tests.client.scripted import Held, frame, problem, reply, stream


def test_a_cut_stream_goes_on_after_the_last_event_seen(half: Half, scripted: Scripted) -> None:
    server = scripted(
        stream(frame(4), frame(5)), stream(frame(6), "id: 7\ndata: {half"), stream(frame(7))
    )
    assert half.take(server.url, 4, after=3) == [4, 5, 6, 7]
    first, second, third = server.received
    assert first.query == {"after": "3"}
    assert "last-event-id" not in first.headers
    assert second.headers["last-event-id"] == "5"
    assert second.query == {}
    assert third.headers["last-event-id"] == "6"


def test_a_cut_before_the_first_event_loses_none(half: Half, scripted: Scripted) -> None:
    server = scripted(stream(seq=41), stream(frame(42)))
    assert half.take(server.url, 1) == [42]
    assert server.received[0].query == {}
    assert server.received[1].headers["last-event-id"] == "41"


def test_the_filter_travels_each_time(half: Half, scripted: Scripted) -> None:
    server = scripted(stream(seq=1), stream(frame(2)))
    half.take(
        server.url,
        1,
        workspace_id="ws_1",
        task_id="task_1",
        worker_id="wkr_1",
        types=[EventType.TASK_UPDATED, EventType.TASK_CREATED],
    )
    for request in server.received:
        assert request.query == {
            "workspaceId": "ws_1",
            "taskId": "task_1",
            "workerId": "wkr_1",
            "types": "task:created,task:updated",
        }


def test_a_reset_is_told_and_reading_goes_on_from_there(half: Half, scripted: Scripted) -> None:
    server = scripted(stream(frame(90, "reset")), stream(frame(91)))
    assert half.take(server.url, 2, after=3) == [90, 91]
    assert server.received[1].headers["last-event-id"] == "90"


def test_events_that_only_a_newer_client_knows_are_passed_over(
    half: Half, scripted: Scripted
) -> None:
    server = scripted(stream(frame(1, "task:teleported")), stream(frame(2)))
    assert half.take(server.url, 1, after=0) == [2]
    assert server.received[1].headers["last-event-id"] == "1"


def test_a_restarting_server_is_waited_for(half: Half, scripted: Scripted) -> None:
    server = scripted(
        stream(frame(1)),
        problem(503, "unavailable", "starting"),
        reply(502, b"<h1>"),
        problem(429, "rate_limited", "slowly"),
        stream(frame(2)),
    )
    assert half.take(server.url, 2, after=0) == [1, 2]


def test_a_stream_that_falls_silent_is_taken_up_again(
    half: Half, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{half.module}.SILENCE_SECONDS", 0.2)
    server = scripted(Held(stream(frame(1))), stream(frame(2)))
    assert half.take(server.url, 2, after=0) == [1, 2]
    assert server.received[1].headers["last-event-id"] == "1"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, errors.NotAuthenticated),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (422, errors.Invalid),
    ],
)
def test_a_refusal_ends_the_stream_even_when_resuming(
    half: Half, scripted: Scripted, status: int, error: type[errors.BuilddError]
) -> None:
    server = scripted(stream(frame(1)), problem(status, error.code, "the reason"))
    with pytest.raises(error, match="the reason"):
        half.take(server.url, 2, after=0)


def test_no_server_at_all_is_told_soon(half: Half) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(errors.Unreachable):
        half.take(f"http://127.0.0.1:{port}", 1)


@pytest.mark.parametrize("answer", [reply(200, b"<html>"), stream('id: 1\ndata: {"a": 1}\n\n')])
def test_what_is_no_event_stream_is_told_from_one(
    half: Half, scripted: Scripted, answer: bytes
) -> None:
    server = scripted(answer)
    with pytest.raises(errors.ConfigError, match="no buildd server of this version"):
        half.take(server.url, 1)
