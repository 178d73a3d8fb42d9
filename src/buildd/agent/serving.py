"""Ways to run an agent: with your own function, or with any executor."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

import anyio

from buildd.agent.availability import Availability
from buildd.agent.function import FunctionExecutor, Handler
from buildd.agent.loop import Agent
from buildd.agent.options import AgentOptions
from buildd.client import AsyncClient, Client, as_async
from buildd.roles import Executor


class Settings(TypedDict, total=False):
    """The fields of `AgentOptions` that `serve` takes as keywords; what is left out has its default."""

    workspace_id: str | None
    max_tasks: int
    capabilities: Sequence[str]
    single_run: bool
    waits: bool
    checkout: bool
    drain_timeout: float
    availability: Availability | None
    state_dir: Path


def serve(client: Client, handle: Handler, **settings: Unpack[Settings]) -> None:
    """Do tasks with your own function, until SIGTERM or SIGINT; blocks.

    `handle(session)` returns the task's result as a dict, None, or an outcome such as
    `Failed("…", retryable=False)`; an exception is a retryable failure. A coroutine function runs
    on the event loop with a `Session`, any other in a thread with a `BlockingSession`. `settings`
    are those of `AgentOptions`.

    The client needs an account's key. Raises `buildd.errors` that trying again cannot mend.
    """
    anyio.run(_serve, client, FunctionExecutor(handle), AgentOptions(**settings))


async def _serve(client: Client, executor: Executor, options: AgentOptions) -> None:
    async with as_async(client) as own:
        await serve_async(own, executor, options)


async def serve_async(
    client: AsyncClient,
    executor: Executor,
    options: AgentOptions,
    *,
    watch: Callable[[Agent], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Do tasks with an executor until drained; `watch` runs beside the agent, and is cancelled.

    In the main thread the first SIGTERM or SIGINT drains: no new task is taken, what runs may
    finish within `drain_timeout`, and is handed back after that. The second hands it back at once.
    So does SIGHUP, by which a terminal tells that it is closed, unless it is ignored (`nohup`).
    """
    agent = Agent(client, executor, options)
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        if threading.current_thread() is threading.main_thread():
            group.start_soon(_drain_on_signal, agent)
        if watch is not None:
            group.start_soon(watch, agent)
        try:
            await agent.run()
        except Exception as problem:  # noqa: BLE001 - raised again outside, where no group wraps it
            failure = problem
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _drain_on_signal(agent: Agent) -> None:
    ends = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ends.append(signal.SIGHUP)
    with anyio.open_signal_receiver(*ends) as signals:
        async for _ in signals:
            agent.drain()
