"""One attempt as its executor sees it (`buildd.roles.Session`), and the one way to stop it."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.lowlevel

from buildd.agent.lease import OVER, LeaseKeeper, Listener, reason_of
from buildd.agent.past import Past
from buildd.agent.place import Place
from buildd.agent.process import MARK, OWNER
from buildd.agent.redacting import redacting
from buildd.agent.retry import persist
from buildd.agent.speech import Speech
from buildd.client import AsyncClient
from buildd.clock import elapsed
from buildd.errors import WrongState
from buildd.models import (
    ArtifactType,
    Claimed,
    Message,
    Order,
    QuestionType,
    Role,
    Task,
    Worker,
    Workspace,
)
from buildd.redaction import Redactor

log = logging.getLogger(__name__)

R = TypeVar("R")

SOCKET = "BUILDD_AGENT_SOCKET"
"""The variable that holds the path of the attempt's socket."""


class Stop(StrEnum):
    """Why an attempt must stop before its executor is done."""

    LOST = "lost"
    CANCEL = "cancel"
    BUDGET = "budget_exhausted"
    PAUSE = "pause"
    DRAIN = "drain"


_ORDERS = {
    Order.CANCEL: Stop.CANCEL,
    Order.BUDGET_EXHAUSTED: Stop.BUDGET,
    Order.PAUSE: Stop.PAUSE,
}


class Attempt:
    """The state of one attempt while it lives; `buildd.agent.session` takes it to its end."""

    def __init__(
        self, claimed: Claimed, client: AsyncClient, owner: str, on_drain: Callable[[], None]
    ) -> None:
        self.claimed = claimed
        self.redactor = Redactor.of(os.environ, claimed.lease.token)
        self.client = redacting(client.with_key(claimed.lease.token), self.redactor)
        self.scope = anyio.CancelScope()
        """Around the executor's work."""
        self.reporting = anyio.CancelScope()
        """Around the final report."""
        self.stopped: Stop | None = None
        self.why = ""
        self.began = elapsed()
        self.place: Place | None = None
        self.past = Past()
        self.socket: Path | None = None
        """Where programs that work on this attempt reach `buildd.agent.local_api`."""
        self.speech = Speech(self.client, claimed.id)
        listener = Listener(self._ordered, self._told, self._lost)
        self.keeper = LeaseKeeper(
            self.client, claimed.id, claimed.lease.heartbeat_seconds, listener
        )
        self._owner = owner
        self._on_drain = on_drain
        self._inbox: deque[Message] = deque()
        self._told_of: list[str] = []
        self._arrived = anyio.Event()
        self._asking = anyio.Lock()
        self._asked: set[str] = set()
        self._answers: dict[str, str] = {}
        self._answered = anyio.Event()

    def stop(self, reason: Stop, why: str = "") -> None:
        """End the executor's work. The first reason stands, but a lost lease outweighs all."""
        if self.stopped is None or reason is Stop.LOST:
            self.stopped, self.why = reason, why
        self.scope.cancel()

    def _ordered(self, order: Order) -> None:
        if order is Order.DRAIN:
            self._on_drain()
        else:
            self.stop(_ORDERS[order])

    def _lost(self, why: str) -> None:
        self.stop(Stop.LOST, why)

    def comes_after(self, past: Past) -> None:
        """Know the past; what people said in it is no news, though heartbeats have brought it."""
        self.past = past
        news = [each for each in self._inbox if each.id > (past.heard or "")]
        self._inbox = deque(news)
        self.keeper.messages_after = max(
            filter(None, (self.keeper.messages_after, past.heard)), default=None
        )

    def _told(self, message: Message) -> None:
        if message.id <= (self.past.heard or ""):
            return
        self._told_of.append(message.id)
        if message.answers in self._asked:
            self._answers[message.answers] = message.content or ""
            self._answered.set()
        else:
            self._inbox.append(message)
            self._arrived.set()

    async def call(self, send: Callable[[], Awaitable[R]]) -> R:
        """A call under the lease, repeated while the server is away; a lost lease stops all."""
        try:
            return await persist(send)
        except OVER as problem:
            self._lost(reason_of(problem))
            await anyio.lowlevel.checkpoint()  # inside the executor, this is where it is cancelled
            raise

    @property
    def task(self) -> Task:
        """The work."""
        return self.claimed.task

    @property
    def worker(self) -> Worker:
        """This attempt, as it was when it was claimed."""
        return self.claimed.worker

    @property
    def workspace(self) -> Workspace:
        """The repository the task belongs to."""
        return self._there.workspace

    @property
    def workdir(self) -> Path:
        """Where to work."""
        return self._there.workdir

    @property
    def scratch(self) -> Path:
        """Where to put what must not be committed."""
        return self._there.scratch.path

    @property
    def memory(self) -> Path:
        """What an executor wants to find again when the attempt is resumed on this machine."""
        return self._there.memory

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program that works on this attempt should find in its environment."""
        return {
            "BUILDD_TASK_ID": self.claimed.task_id,
            MARK: self.claimed.id,
            OWNER: self._owner,
            **({} if self.socket is None else {SOCKET: str(self.socket)}),
            **self._there.environment,
        }

    @property
    def _there(self) -> Place:
        assert self.place is not None, "the executor runs after the place is prepared"
        return self.place

    @property
    def budget(self) -> Decimal | None:
        """US dollars that the task may still cost, as far as this attempt is concerned."""
        task = self.claimed.task
        return None if task.max_cost is None else max(task.max_cost - task.cost_usd, Decimal(0))

    @property
    def earlier(self) -> str | None:
        """The branch of the earlier attempt whose work is here."""
        tree = self._there.worktree
        return None if tree is None else tree.earlier

    async def history(self) -> list[Message]:
        """What was said before the executor began, oldest first."""
        return list(self.past.messages)

    @property
    def taken(self) -> str | None:
        """The last message of people that the executor has taken, or that came before it began."""
        if not self._inbox:
            return self.keeper.messages_after
        known = [*filter(None, [self.past.heard]), *self._told_of]
        return max((each for each in known if each < self._inbox[0].id), default=None)

    def heard(self) -> list[Message]:
        """What people said and nobody has taken yet."""
        taken = list(self._inbox)
        self._inbox.clear()
        return taken

    async def say(self, content: str, *, role: Role = Role.ASSISTANT, **tool: Any) -> None:
        """Tell people something; kept and sent in order."""
        self.speech.say(content, role=role, **{k: v for k, v in tool.items() if v is not None})

    async def report(
        self,
        *,
        progress: int | None = None,
        cost_usd: Decimal | None = None,
        turns: int | None = None,
        session_id: str | None = None,
    ) -> None:
        """Take totals since the executor began; they travel with the next heartbeat."""
        before = self.claimed.worker  # a resumed attempt has a bill already
        totals = {
            "progress": progress,
            "cost_usd": None if cost_usd is None else before.cost_usd + cost_usd,
            "turns": None if turns is None else before.turns + turns,
            "session_id": session_id,
        }
        self.keeper.report(**{name: value for name, value in totals.items() if value is not None})

    async def ask(
        self,
        prompt: str,
        *,
        type: QuestionType = QuestionType.QUESTION,  # noqa: A002 - the API's own word
        options: Sequence[str] | None = None,
    ) -> str:
        """Ask a person and wait for the answer.

        A question whose asker did not wait for the answer stays open; asked again, it is the same.
        """
        choices = None if options is None else list(options)
        prompt = self.redactor.redact(prompt)  # as the server knows it, when it is answered
        async with self._asking:
            await self.call(self.keeper.confirm)
            while prompt not in self._answers:
                self._asked.add(prompt)
                self._answered = anyio.Event()
                # It waits already: for this, if a reply was lost on its way, or for one left open.
                with suppress(WrongState):
                    await self.call(
                        lambda: self.client.workers.ask(
                            id=self.claimed.id, type=type, prompt=prompt, options=choices
                        )
                    )
                self.speech.last = f"? {prompt}"
                await self._answered.wait()
            self._asked.discard(prompt)
            return self._answers.pop(prompt)

    async def receive(self) -> Message:
        """The next message from a person."""
        while not self._inbox:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        return self._inbox.popleft()

    async def attach(self, type: ArtifactType, **shown: Any) -> None:  # noqa: A002 - the API's own word
        """Show people something the attempt made."""
        shown = {name: value for name, value in shown.items() if value is not None}
        shown |= {"worker_id": self.claimed.id, "type": type}
        file = shown.pop("file", None)
        artifacts = self.client.artifacts
        if file is None:
            await self.call(lambda: artifacts.create(**shown))
            return
        if "content" in shown:
            raise ValueError("attach a text or a file, not both")
        await self.call(lambda: artifacts.upload(file, **shown))
