"""The door to the model, against the fake of it, over real HTTP."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest

from buildd.errors import ConfigError
from buildd.testing.messages import FakeModel, Fault, Gate, Reply
from buildd_runners.claude_code.settings import ClaudeCodeSettings, PermissionMode
from buildd_runners.model_api import ModelApi
from buildd_runners.model_proxy import Door, model_proxy
from tests.patience import PATIENCE

pytestmark = pytest.mark.anyio

KEY = "the key that pays"
BODY: dict[str, Any] = {
    "model": "claude-test",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hello"}],
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def upstream(model: FakeModel) -> ModelApi:
    return ModelApi(model.url, KEY)


@asynccontextmanager
async def call(door: Door, path: str = "/v1/messages?beta=true") -> AsyncIterator[httpx2.Response]:
    headers = {"x-api-key": door.token, "anthropic-beta": "a,b"}
    async with (
        httpx2.AsyncClient(base_url=door.url, headers=headers) as client,
        client.stream("POST", path, json=BODY) as answer,
    ):
        yield answer


async def test_the_key_is_added_on_the_way_and_nothing_else_is_changed() -> None:
    with FakeModel([Reply("hello"), Fault(429, "slow down", retry_after=7)], api_key=KEY) as model:
        async with model_proxy(upstream(model)) as door:
            async with call(door) as answer:
                assert "hello" in (await answer.aread()).decode()
            async with call(door) as answer:
                assert "slow down" in (await answer.aread()).decode()
                assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        first, _ = model.requests
    assert (first.key, first.path, first.body) == (KEY, "/v1/messages?beta=true", BODY)
    assert first.headers["anthropic-beta"] == "a,b"
    assert door.token not in str(first.headers)
    assert KEY not in repr(upstream(model)) + repr(door)


async def test_a_stream_passes_as_it_comes_and_breaks_as_it_breaks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate()
    script = [Reply("a long story", gate=gate), Reply("a long story", cut=True)]
    streaming = {**BODY, "stream": True}
    with FakeModel(script) as model:
        async with (
            model_proxy(upstream(model)) as door,
            httpx2.AsyncClient(headers={"x-api-key": door.token}) as client,
        ):
            async with client.stream("POST", f"{door.url}/v1/messages", json=streaming) as answer:
                parts = answer.aiter_text()
                assert "message_start" in await anext(parts)
                gate.open()
                assert "message_stop" in "".join([part async for part in parts])
            with pytest.raises(httpx2.RemoteProtocolError):
                await client.post(f"{door.url}/v1/messages", json=streaming)
        # The reader knows. What another server of this process has to tell is heard.
        assert [each for each in caplog.records if each.name.startswith("uvicorn")] == []
        logging.getLogger("uvicorn.error").error("a fault of another server")
    assert "a fault of another server" in caplog.messages


async def test_only_the_token_opens_it_and_only_to_the_model() -> None:
    with FakeModel([Reply("never")]) as model:
        async with model_proxy(upstream(model)) as door:
            for token in ("", "wrong", KEY, "ä"):
                headers = {"x-api-key": token.encode()}
                async with httpx2.AsyncClient(headers=headers) as client:
                    answer = await client.post(f"{door.url}/v1/messages", json=BODY)
                    assert answer.status_code == 401
            async with call(door, "/v1/files") as answer:
                assert answer.status_code == 404
        assert model.requests == []


async def test_a_model_that_is_away_is_an_error_that_may_be_repeated() -> None:
    async with model_proxy(ModelApi("http://127.0.0.1:1")) as door, call(door) as answer:
        assert answer.status_code == 502
        assert "does not answer" in (await answer.aread()).decode()


async def test_closed_in_the_middle_of_an_answer_it_leaves_nothing_behind() -> None:
    gate = Gate()
    with FakeModel([Reply("a long story", gate=gate)]) as model, anyio.CancelScope() as scope:
        async with model_proxy(upstream(model)) as door, call(door) as answer:
            assert answer.status_code == 200
            scope.cancel()
            await anyio.sleep_forever()
    # The event loop watches no socket of it any more, so that a new one of its number is heard.
    async with await anyio.open_process(["echo", "heard"]) as process:
        assert process.stdout is not None
        with anyio.fail_after(PATIENCE):
            assert await process.stdout.receive() == b"heard\n"


def test_settings_name_what_is_missing_or_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    key = {"ANTHROPIC_API_KEY": "k"}
    load = ClaudeCodeSettings.load
    settings = load({"permission_mode": "default", "model": "m", "max_turns": 3}, key)
    assert (settings.model, settings.max_turns) == ("m", 3)
    assert settings.permission_mode is PermissionMode.DEFAULT
    token = load({}, {"ANTHROPIC_AUTH_TOKEN": "t", "ANTHROPIC_BASE_URL": "http://gateway"})
    assert token.api.url == "http://gateway"
    assert token.api.headers == {"authorization": "Bearer t"}
    for config, environ, told in (
        ({}, {}, "ANTHROPIC_API_KEY is not set"),
        ({"permission_mode": "yolo"}, key, "must be one of default, acceptEdits, bypass"),
        ({"max_turns": 0}, key, "max_turns must be"),
        ({"pass_env": "HOME"}, key, "pass_env must be a list"),
        ({"pass_env": ["ANTHROPIC_API_KEY"]}, key, "never passed"),
    ):
        with pytest.raises(ConfigError, match=told):
            load(config, environ)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'buildd\[claude-code\]'"):
        load({}, key)
