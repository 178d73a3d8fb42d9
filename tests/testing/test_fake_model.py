"""The fake model, as the real SDK and a plain HTTP client see it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest

from buildd.testing.messages import FakeModel, Fault, Gate, ModelRequest, Reply, ToolUse, Usage
from tests.patience import PATIENCE

ASK: dict[str, Any] = {"model": "claude-test", "max_tokens": 100}


def hello(prompt: str = "hello") -> Any:
    return [{"role": "user", "content": prompt}]


def client(model: FakeModel, retries: int = 0, key: str = "a key") -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=model.url, api_key=key, max_retries=retries)


def posted(fake: FakeModel, **body: Any) -> httpx2.Response:
    return httpx2.post(
        f"{fake.url}/v1/messages?beta=true", json=body, headers={"x-api-key": "a key"}
    )


def test_a_reply_comes_whole() -> None:
    usage = Usage(7, 8, 9, 10)
    tools = [ToolUse("look", {"at": "ü" * 50}), ToolUse("look", id="toolu_mine")]
    with FakeModel([Reply("I look.", tools=tools, usage=usage)]) as model, client(model) as claude:
        message = claude.messages.create(messages=hello(), **ASK)
    assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]
    assert (message.stop_reason, message.model) == ("tool_use", "claude-test")
    seen = message.usage
    assert (seen.input_tokens, seen.output_tokens) == (7, 8)
    assert (seen.cache_creation_input_tokens, seen.cache_read_input_tokens) == (9, 10)


def test_a_stream_makes_the_same_message() -> None:
    tools = [ToolUse("look", {"at": "ü" * 50, "deep": {"er": [1, None]}}), ToolUse("nothing")]
    reply = Reply("I look.", tools=tools, thinking="Where is it?", usage=Usage(7, 8, 9, 10))
    with FakeModel(lambda _: reply) as model, client(model) as claude:
        whole = claude.messages.create(messages=hello(), **ASK)
        with claude.messages.stream(messages=hello(), **ASK) as stream:
            streamed = stream.get_final_message()
    assert [block.type for block in streamed.content] == [block.type for block in whole.content]
    for one, other in zip(streamed.content, whole.content, strict=True):
        kept = {"id", "parsed_output"}
        assert one.model_dump(exclude=kept) == other.model_dump(exclude=kept)
    assert streamed.usage.model_dump() == whole.usage.model_dump()


def test_a_tool_runner_works_through_a_list_of_turns() -> None:
    @anthropic.beta_tool
    def add(left: int, right: int) -> str:
        """Add."""
        return str(left + right)

    script = [Reply(tools=[ToolUse("add", {"left": 2, "right": 3})]), Reply("It is 5.")]
    with FakeModel(script) as model, client(model) as claude:
        runner = claude.beta.messages.tool_runner(
            tools=[add], messages=hello("2+3?"), thread=False, **ASK
        )
        last = runner.until_done()
        first, second = model.requests
    assert last.content[0].type == "text"
    assert (first.turn, first.prompt, first.tools) == (0, "2+3?", ["add"])
    assert (second.turn, second.prompt, second.tool_results) == (1, "2+3?", ["5"])
    assert "2+3?" in second
    assert "4+4?" not in second


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.APIStatusError),
    ],
)
def test_a_fault_is_an_error_once(status: int, error: type[Exception]) -> None:
    with FakeModel([Fault(status, retry_after=0.01), Reply("now")]) as model:
        with client(model) as claude, pytest.raises(error, match="a fault of the fake"):
            claude.messages.create(messages=hello(), **ASK)
        assert client(model, retries=2).messages.create(messages=hello(), **ASK).stop_reason
        assert len(model.requests) == 2


def test_a_fault_tells_when_to_come_back() -> None:
    with FakeModel([Fault(429, "slow down", retry_after=7)]) as model:
        answer = posted(model, messages=hello(), **ASK)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["error"] == {"type": "rate_limit_error", "message": "slow down"}


@pytest.mark.parametrize("streaming", [True, False])
def test_a_connection_breaks_in_the_middle(streaming: bool) -> None:
    with (
        FakeModel([Reply("a long story", cut=True), Reply("again")]) as model,
        httpx2.Client(headers={"x-api-key": "a key"}) as http,
    ):
        body = {"messages": hello(), "stream": streaming, **ASK}
        with pytest.raises(httpx2.RemoteProtocolError):
            http.post(f"{model.url}/v1/messages", json=body)
        assert "again" in http.post(f"{model.url}/v1/messages", json={**body, "stream": False}).text


def test_a_reply_waits_at_a_gate() -> None:
    gate = Gate()
    said: list[str] = []

    def listen(model: FakeModel) -> None:
        with client(model) as claude, claude.messages.stream(messages=hello(), **ASK) as stream:
            said.extend(stream.text_stream)

    with FakeModel([Reply("a long story", gate=gate)]) as model:
        thread = threading.Thread(target=listen, args=[model])
        thread.start()
        assert gate.reached.wait(PATIENCE)
        assert "".join(said) != "a long story"
        gate.open()
        thread.join()
    assert "".join(said) == "a long story"


def test_closing_the_fake_ends_what_stands_at_a_gate() -> None:
    gate, ended = Gate(), threading.Event()

    def listen(model: FakeModel) -> None:
        with pytest.raises(httpx2.RemoteProtocolError):
            posted(model, messages=hello(), stream=True, **ASK)
        ended.set()

    with FakeModel([Reply("a long story", gate=gate)]) as model:
        thread = threading.Thread(target=listen, args=[model])
        thread.start()
        assert gate.reached.wait(PATIENCE)
    thread.join()
    assert ended.is_set()


def test_several_conversations_have_their_own_turns() -> None:
    script = {"colour": [Reply("red"), Reply("blue")], "number": [Reply("one"), Reply("two")]}
    with FakeModel(script) as model:

        def say(prompt: str) -> Any:
            return posted(model, messages=hello(prompt), **ASK).json()

        said = [say(f"a {what}, please") for what in ("colour", "number", "colour", "number")]
        unknown = say("a word, please")
    assert [each["content"][0]["text"] for each in said] == ["red", "one", "blue", "two"]
    assert "no conversation for: a word, please" in unknown["error"]["message"]


def test_a_function_answers_by_what_it_sees() -> None:
    def answer(request: ModelRequest) -> Reply | Fault:
        return Reply(request.said.upper()) if request.turn else Fault(500)

    talk = [*hello(), {"role": "assistant", "content": "?"}, {"role": "system", "content": "date"}]
    with FakeModel(answer) as model:
        assert posted(model, messages=hello(), **ASK).status_code == 500
        assert "DATE" in posted(model, messages=talk, **ASK).text


def refused() -> Iterator[tuple[dict[str, Any], str]]:
    call = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t2", "content": "?"}
    begun = [*hello(), {"role": "assistant", "content": [call]}]
    yield {}, "messages: Field required"
    yield {"messages": [{"role": "assistant", "content": "hm"}]}, "first message must use"
    yield {"messages": begun}, "messages.2: `tool_use`"
    yield {"messages": [*begun, {"role": "user", "content": [result]}]}, "do not correspond"
    yield {"messages": hello(), "thread": {"type": "continue"}}, "thread=False"
    yield {"messages": hello()}, "the script has only 0 turns"


@pytest.mark.parametrize(("body", "reason"), list(refused()))
def test_what_the_real_one_would_refuse_is_refused(body: dict[str, Any], reason: str) -> None:
    with FakeModel([]) as model:
        answer = posted(model, **{**ASK, **body})
        assert len(model.requests) == 1
    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]


def test_the_door_is_open_only_for_the_key() -> None:
    with FakeModel([Reply("yes")], api_key="the key") as model:
        assert httpx2.head(model.url).status_code == 200
        assert httpx2.get(f"{model.url}/api/hello").json() == {}
        with client(model) as claude, pytest.raises(anthropic.AuthenticationError):
            claude.messages.create(messages=hello(), **ASK)
        with client(model, key="the key") as claude:
            assert claude.messages.create(messages=hello(), **ASK).content
            assert claude.messages.count_tokens(messages=hello(), model="m").input_tokens > 0
        bearer = {"authorization": "Bearer the key"}
        assert httpx2.post(f"{model.url}/v1/x", json={}, headers=bearer).status_code == 404
        assert httpx2.post(f"{model.url}/v1/x", content=b"{", headers=bearer).status_code == 400
        [request] = model.requests
    assert request.key == "the key"
    assert "the key" not in repr(request)
    assert json.dumps(request.body)
