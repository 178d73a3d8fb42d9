"""What the fake model was asked: the recorded request, and how the real API would refuse it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ModelRequest:
    """One `POST /v1/messages`, as it arrived."""

    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(repr=False)
    """By lower-case name. Left out of its text form, as one of them is the key."""

    @property
    def key(self) -> str:
        """The key that the caller showed, in either of the two headers for it."""
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return self.headers.get("x-api-key") or bearer

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation so far."""
        return list(self.body.get("messages", ()))

    @property
    def prompt(self) -> str:
        """The text of the first message of the user, which tells one conversation from another."""
        first = (each for each in self.messages if each.get("role") == "user")
        return "\n".join(_texts(next(first, {}).get("content")))

    @property
    def system(self) -> str:
        """The system prompt."""
        return "\n".join(_texts(self.body.get("system")))

    @property
    def said(self) -> str:
        """The text of everything after the model's last turn, without results of tools."""
        return "\n".join(text for each in self._news for text in _texts(each.get("content")))

    @property
    def tool_results(self) -> list[str]:
        """What the tools that the model called last gave back, in their order."""
        results = (block for each in self._news for block in _blocks(each, "tool_result"))
        return ["\n".join(_texts(block.get("content"))) for block in results]

    @property
    def turn(self) -> int:
        """How many turns of the model are in the conversation already."""
        return sum(each.get("role") == "assistant" for each in self.messages)

    @property
    def tools(self) -> list[str]:
        """The names of the tools on offer."""
        return [tool["name"] for tool in self.body.get("tools", ()) if "name" in tool]

    def __contains__(self, text: str) -> bool:
        """Whether the model saw this text anywhere: `"secret" in request`."""
        return text in json.dumps(self.body, ensure_ascii=False) or any(
            text in found for found in _strings(self.body)
        )

    @property
    def _news(self) -> list[dict[str, Any]]:
        news: list[dict[str, Any]] = []
        for each in reversed(self.messages):
            if each.get("role") == "assistant":
                break
            news.insert(0, each)
        return news


def objection(body: Mapping[str, Any]) -> str | None:
    """Why the real API would refuse a request; None if it would not, as far as the fake knows."""
    if "thread" in body:
        return "thread: the fake keeps no conversations; call the tool runner with thread=False"
    missing = [name for name in ("model", "max_tokens", "messages") if not body.get(name)]
    if missing:
        return f"{missing[0]}: Field required"
    talk = [each for each in body["messages"] if each.get("role") != "system"]
    if not talk or talk[0].get("role") != "user":
        return "messages: first message must use the `user` role"
    for place, (message, after) in enumerate(zip(talk, [*talk[1:], {}], strict=True)):
        called = {block["id"] for block in _blocks(message, "tool_use")}
        answered = {block["tool_use_id"] for block in _blocks(after, "tool_result")}
        if called != answered:
            return f"messages.{place + 1}: `tool_use` and `tool_result` blocks do not correspond"
    return None


def _blocks(message: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    content = message.get("content")
    if not isinstance(content, list):
        return []
    return [block for block in content if block.get("type") == kind]


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [block["text"] for block in content or () if block.get("type") == "text"]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
