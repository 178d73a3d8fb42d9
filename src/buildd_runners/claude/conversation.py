"""One attempt's conversation with the model, step by step, until the model is done or must stop.

A step is one reply and the tools it calls, through the SDK's tool runner. The loop over steps is
ours, because between two of them money is counted, people are heard and the transcript is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import anyio
import httpx2
from anthropic import APIError, AsyncAnthropic
from anthropic.lib.streaming import BetaAsyncMessageStream
from anthropic.types.beta import BetaMessage, BetaUsage

from buildd.agent.retry import Backoff
from buildd.budget import rounded_up
from buildd.roles import OUT_OF_BUDGET, Completed, Failed, Outcome, Session
from buildd_runners.claude import prompt
from buildd_runners.claude.prices import Tokens
from buildd_runners.claude.request import request
from buildd_runners.claude.settings import ClaudeSettings
from buildd_runners.claude.telling import tell, tell_results, words
from buildd_runners.claude.tools import Tool
from buildd_runners.claude.transcript import Transcript

log = logging.getLogger(__name__)

_BREAKS = 5
"""Replies in a row that may break off half-way before the attempt gives up."""


class BrokenOff(Exception):
    """The connection ended in the middle of a reply; nothing of it was done."""


class Conversation:
    """A model at work on one task."""

    def __init__(
        self,
        client: AsyncAnthropic,
        session: Session,
        settings: ClaudeSettings,
        tools: Iterable[Tool],
    ) -> None:
        self._client = client
        self._session = session
        self._settings = settings
        self._tools = list(tools)
        self._request = request(settings.model)
        self._transcript = Transcript.load(session.memory, settings.model)
        self._cost = Decimal(0)
        self._turns = 0

    async def run(self) -> Outcome:
        """Go on until the model ends its turn, or a limit or a refusal ends it."""
        await self._begin()
        while True:
            self._listen()
            limit = self._limit()
            if limit is not None:
                return limit
            reply = await self._next()
            match reply.stop_reason:
                case "tool_use" | "pause_turn" | "compaction":
                    pass
                case "max_tokens":
                    self._answer(prompt.CUT_OFF, prompt.CUT_OFF)
                case "refusal":
                    return Failed(
                        "the model refused the task", retryable=False, summary=words(reply)
                    )
                case "model_context_window_exceeded":
                    return Failed("the conversation became longer than the model can take")
                case _:
                    if not self._listen():
                        return Completed(summary=words(reply))

    async def _begin(self) -> None:
        if not self._transcript.messages:
            earlier = await self._session.history()
            self._hear(prompt.first(self._session, earlier))
        else:
            self._answer(prompt.INTERRUPTED, prompt.RESUMED)

    def _listen(self) -> bool:
        """Pass on what people have said; whether there was anything."""
        said = self._session.heard()
        if said:
            self._hear(prompt.heard(said))
        return bool(said)

    def _hear(self, text: str) -> None:
        self._transcript.append({"role": "user", "content": text})

    def _answer(self, to_tools: str, then: str) -> None:
        """Answer tool calls that were never run, as the API wants an answer to each."""
        results: list[dict[str, Any]] = [
            {"type": "tool_result", "tool_use_id": each, "content": to_tools, "is_error": True}
            for each in self._transcript.unanswered
        ]
        content = [*results, {"type": "text", "text": then}]
        self._transcript.append({"role": "user", "content": content})

    def _limit(self) -> Failed | None:
        budget, turns = self._session.budget, self._session.worker.turns + self._turns
        if budget is not None and self._cost >= budget:
            return OUT_OF_BUDGET
        if turns >= self._settings.max_turns:
            return Failed(f"not done within {turns} turns (--max-turns)", retryable=False)
        return None

    async def _next(self) -> BetaMessage:
        """The next reply, asked for again while it breaks off; the SDK repeats only what fails at once."""
        backoff, breaks = Backoff(), 0
        while True:
            try:
                return await self._step()
            except BrokenOff as problem:
                breaks += 1
                if breaks > _BREAKS:
                    raise
                log.info(
                    "%s: the reply broke off, asking again: %s", self._session.task.id, problem
                )
                await anyio.sleep(backoff.next())

    async def _step(self) -> BetaMessage:
        runner = self._client.beta.messages.tool_runner(
            **self._request,
            messages=self._transcript.messages,
            tools=self._tools,
            stream=True,
            thread=False,
            max_iterations=1,
        )
        try:
            async for stream in runner:
                reply = await self._read(stream)
                await stream.close()  # a tool may take hours
                await tell(self._session, reply)
                if reply.content:
                    self._transcript.append(_as_message(reply))
                if reply.stop_reason == "tool_use":
                    results = await runner.generate_tool_call_response()
                    if results is not None:
                        await tell_results(self._session, reply, results["content"])
                        self._transcript.append(dict(results))
                return reply
            raise BrokenOff("there was no reply")
        finally:
            with anyio.CancelScope(shield=True):
                await runner.close()

    async def _read(self, stream: BetaAsyncMessageStream[Any]) -> BetaMessage:
        """A whole reply. Raises `BrokenOff`; what had arrived is paid for all the same."""
        try:
            async for _ in stream:
                pass
        except (httpx2.TransportError, APIError) as problem:
            raise BrokenOff(str(problem) or type(problem).__name__) from problem
        finally:
            with anyio.CancelScope(shield=True):
                reply = _so_far(stream)
                await self._count(reply)
        if reply is None or reply.stop_reason is None:
            raise BrokenOff("the reply has no end")
        return reply

    async def _count(self, reply: BetaMessage | None) -> None:
        if reply is None:
            return
        self._turns += reply.stop_reason is not None
        self._cost += sum(map(self._settings.price.of, _tokens(reply.usage)), Decimal(0))
        await self._session.report(cost_usd=rounded_up(self._cost), turns=self._turns)


def _so_far(stream: BetaAsyncMessageStream[Any]) -> BetaMessage | None:
    try:
        return stream.current_message_snapshot
    except AssertionError:  # nothing has come yet
        return None


def _as_message(reply: BetaMessage) -> dict[str, Any]:
    """The reply as the API takes it back: exactly what it sent."""
    return {"role": "assistant", "content": [block.to_dict(mode="json") for block in reply.content]}


def _tokens(usage: BetaUsage) -> Iterable[Tokens]:
    """What a reply is billed for; a compaction on the way to it is not in the reply's own count."""
    yield _of(usage)
    for part in usage.iterations or ():
        if part.type == "compaction":
            yield _of(part)


def _of(usage: Any) -> Tokens:
    written, split = usage.cache_creation_input_tokens or 0, usage.cache_creation
    for_an_hour = split.ephemeral_1h_input_tokens if split else 0
    return Tokens(
        input=usage.input_tokens or 0,
        output=usage.output_tokens or 0,
        cache_write_5m=written - for_an_hour,
        cache_write_1h=for_an_hour,
        cache_read=usage.cache_read_input_tokens or 0,
    )
