"""Both halves of the client behind the same calls: the blocking one and the one for event loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import islice
from typing import Any, Protocol

import anyio
import pytest

import buildd
from buildd.operations import Operation
from tests.client.scripted import ScriptedServer

Scripted = Callable[..., ScriptedServer]


class Half(Protocol):
    """One half of the client."""

    module: str

    def send(self, url: str, operation: Operation[Any], key: str | None = None) -> Any: ...

    def take(self, url: str, count: int, after: int | None = None, **wanted: Any) -> list[int]: ...


class Blocking:
    module = "buildd.client._http_sync"

    def send(self, url: str, operation: Operation[Any], key: str | None = None) -> Any:
        with buildd.connect(url, api_key=key) as bd:
            return bd.send(operation)

    def take(self, url: str, count: int, after: int | None = None, **wanted: Any) -> list[int]:
        with buildd.connect(url) as bd:
            return [event.seq for event in islice(bd.events(after, **wanted), count)]


class Looped:
    module = "buildd.client._http_async"

    def send(self, url: str, operation: Operation[Any], key: str | None = None) -> Any:
        async def main() -> Any:
            async with buildd.connect_async(url, api_key=key) as bd:
                return await bd.send(operation)

        return anyio.run(main)

    def take(self, url: str, count: int, after: int | None = None, **wanted: Any) -> list[int]:
        async def main() -> list[int]:
            seen: list[int] = []
            async with buildd.connect_async(url) as bd:
                async for event in bd.events(after, **wanted):
                    seen.append(event.seq)
                    if len(seen) == count:
                        break
            return seen

        return anyio.run(main)


@pytest.fixture(params=[Blocking, Looped])
def half(request: pytest.FixtureRequest) -> Half:
    """Each half in turn."""
    made: Half = request.param()
    return made


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """Starts servers that do as they are told, and checks that they were asked for all of it."""
    with ExitStack() as stack:
        yield lambda *replies: stack.enter_context(closing(ScriptedServer(*replies)))
