"""One attempt's conversation with a running Claude Code, until it says that it is done.

Messages of people go into it while it works: it takes them up at its next step. Each carries an id,
and the results tell which of them were taken up, so that none is left behind.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import anyio
from claude_agent_sdk import (
    AssistantMessage,
    ClaudeSDKClient,
    ClaudeSDKError,
    ResultMessage,
    SystemMessage,
    UserMessage,
)

from buildd.budget import rounded_up
from buildd.errors import ConfigError
from buildd.models import Message
from buildd.roles import Session
from buildd_runners.claude import prompt
from buildd_runners.claude.prices import Prices, Tokens
from buildd_runners.claude_code.telling import Teller


class Conversation:
    """Claude Code at work on one task."""

    def __init__(
        self,
        client: ClaudeSDKClient,
        session: Session,
        before: Decimal,
    ) -> None:
        self._client = client
        self._session = session
        self._before = before
        self._teller = Teller(session)
        self._under_way: set[str] = set()
        self._turns: set[str] = set()
        self._prices = Prices.load()
        self._spent = Decimal(0)

    async def run(self, opening: str) -> ResultMessage:
        """Give it the task, and go on until it ends. Raises `ClaudeSDKError` if it breaks off."""
        await self._send(opening)
        ended: ResultMessage | Exception
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen)
            try:
                ended = await self._read()
            except Exception as problem:  # noqa: BLE001 - raised again outside, where no group wraps it
                ended = problem
            group.cancel_scope.cancel()
        if isinstance(ended, Exception):
            raise ended
        return ended

    async def interrupt(self, seconds: float) -> None:
        """Have it stop what it does, and take its last report, which tells what it has cost."""
        with anyio.move_on_after(seconds):
            await self._client.interrupt()
            async for message in self._client.receive_messages():
                await self._take(message)
                if isinstance(message, ResultMessage):
                    return

    async def _read(self) -> ResultMessage:
        async for message in self._client.receive_messages():
            await self._take(message)
            if isinstance(message, ResultMessage):
                taken_up = message.user_message_uuids
                self._under_way.difference_update(self._under_way if taken_up is None else taken_up)
                await self._pass_on(self._session.heard())
                if message.is_error or not self._under_way:
                    return message
        raise ClaudeSDKError("it ended without a result")

    async def _take(self, message: object) -> None:
        match message:
            case SystemMessage(subtype="init", data=data):
                await self._session.report(session_id=str(data["session_id"]))
            case AssistantMessage() | UserMessage():
                await self._teller.tell(message)
                if isinstance(message, AssistantMessage) and message.message_id:
                    await self._count(message)
            case ResultMessage(total_cost_usd=cost) if cost is not None:
                self._spent = max(Decimal(str(cost)) - self._before, self._spent)
                await self._report()

    async def _count(self, message: AssistantMessage) -> None:
        """Report each turn as it begins, with what its prompt costs; its reply is not known yet.

        So it is never more than what Claude Code will say at the end, which then counts.
        """
        known = len(self._turns)
        self._turns.add(str(message.message_id))
        if len(self._turns) > known:
            self._spent += self._at_least(message)
            await self._report()

    async def _report(self) -> None:
        await self._session.report(cost_usd=rounded_up(self._spent), turns=len(self._turns))

    def _at_least(self, message: AssistantMessage) -> Decimal:
        usage = message.usage or {}
        tokens = Tokens(
            input=usage.get("input_tokens") or 0,
            cache_write_5m=usage.get("cache_creation_input_tokens") or 0,
            cache_read=usage.get("cache_read_input_tokens") or 0,
        )
        try:
            return self._prices.of(message.model).of(tokens)
        except ConfigError:  # a model without a price
            return Decimal(0)

    async def _listen(self) -> None:
        with suppress(ClaudeSDKError):  # whoever reads will notice
            while True:
                first = await self._session.receive()
                await self._pass_on([first, *self._session.heard()])

    async def _pass_on(self, said: Sequence[Message]) -> None:
        if said:
            await self._send(prompt.heard(said))

    async def _send(self, text: str) -> None:
        name = str(uuid.uuid4())
        self._under_way.add(name)
        await self._client.query(_as_stream(name, text))


async def _as_stream(name: str, text: str) -> AsyncIterator[dict[str, Any]]:
    """A message with an id, which the SDK takes from a stream only."""
    content = {"role": "user", "content": text}
    yield {"type": "user", "uuid": name, "message": content, "parent_tool_use_id": None}
