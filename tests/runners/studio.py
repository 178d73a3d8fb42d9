"""An office whose agent works with the `claude` executor, against a model that says what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import psutil

from buildd.agent import AgentOptions
from buildd.agent.loop import Agent
from buildd.agent.process import MARK
from buildd.client import as_async
from buildd.models import Message, Task, Worker
from buildd.testing.messages import FakeModel, ToolUse
from buildd_runners.claude.executor import ClaudeExecutor
from buildd_runners.claude.settings import ClaudeSettings
from tests.agent.office import Office

KEY = "sk-ant-a-key-that-nobody-may-see"


def bash(command: str, **more: Any) -> ToolUse:
    return ToolUse("bash", {"command": command, **more})


def marked(mark: str) -> list[psutil.Process]:
    """The processes of an attempt."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@dataclass
class Studio:
    """Runs an agent in this process: the SDK takes seconds to import, and here it is imported once."""

    office: Office
    model: FakeModel
    config: dict[str, Any] = field(default_factory=dict)

    def work(self, task: Task) -> Worker:
        """Do the office's tasks until there is none; the last attempt at this one."""
        anyio.run(self._serve)
        return self.office.worker(task)

    async def _serve(self) -> None:
        environ = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": self.model.url}
        executor = ClaudeExecutor(ClaudeSettings.load(self.config, environ))
        options = AgentOptions(single_run=True, max_tasks=1, state_dir=self.office.state)
        async with as_async(self.office.account) as account:
            await Agent(account, executor, options).run()

    @contextmanager
    def working(self) -> Iterator[None]:
        """An agent that works meanwhile; at the end, it has done its task."""
        failures: list[BaseException] = []

        def work() -> None:
            try:
                anyio.run(self._serve)
            except BaseException as problem:  # noqa: BLE001 - told outside the thread
                failures.append(problem)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            thread.join(90)
        assert not failures

    def messages(self, worker: Worker) -> list[Message]:
        return self.office.owner.messages.list(worker_id=worker.id, limit=200)[::-1]
