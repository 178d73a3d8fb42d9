"""A reply in the shape of the Messages API: one JSON message, or the events of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from buildd.testing.messages.script import Fault, Reply

_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}

Document = dict[str, Any]


def error(fault: Fault) -> Document:
    """The body of an error."""
    kind = _ERRORS.get(fault.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": fault.message}}


def message(reply: Reply, model: str, number: int) -> Document:
    """The whole reply; `number` makes its ids its own."""
    content: list[Document] = []
    if reply.thinking:
        content.append({"type": "thinking", "thinking": reply.thinking, "signature": "c2lnbmVk"})
    if reply.text:
        content.append({"type": "text", "text": reply.text})
    for place, tool in enumerate(reply.tools):
        name = tool.id or f"toolu_fake{number:04}x{place}"
        content.append({"type": "tool_use", "id": name, "name": tool.name, "input": tool.input})
    return {
        "id": f"msg_fake{number:04}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": reply.stop_reason or ("tool_use" if reply.tools else "end_turn"),
        "stop_sequence": None,
        "usage": _usage(reply),
    }


def stream(whole: Mapping[str, Any]) -> Iterator[bytes]:
    """The same message as server-sent events, in many small steps."""
    usage = whole["usage"]
    start = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield _event("message_start", message=start)
    yield _event("ping")
    for index, block in enumerate(whole["content"]):
        empty, deltas = _take_apart(block)
        yield _event("content_block_start", index=index, content_block=empty)
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield _event("message_delta", delta=end, usage=usage)
    yield _event("message_stop")


def _usage(reply: Reply) -> Document:
    usage = reply.usage
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_creation_input_tokens": usage.cache_creation_input_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "service_tier": "standard",
    }


def _take_apart(block: Document) -> tuple[Document, list[Document]]:
    """A block as it begins, and what is added to it."""
    if block["type"] == "text":
        deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
        return {**block, "text": ""}, deltas
    if block["type"] == "thinking":
        deltas = [
            {"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])
        ]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*deltas, signed]
    text = json.dumps(block["input"])
    return {**block, "input": {}}, [
        {"type": "input_json_delta", "partial_json": piece} for piece in _pieces(text)
    ]


def _pieces(text: str) -> list[str]:
    size = max(1, -(-len(text) // 4))
    return [text[at : at + size] for at in range(0, len(text), size)]


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()
