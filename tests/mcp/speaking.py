"""The other side: the SDK's own client, to a real process or over real HTTP."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from tests.patience import PATIENCE
from tests.server.serving import NO_TLS


@dataclass
class Speaker:
    """Calls tools, and reads what they answer."""

    client: Client

    async def __call__(self, tool: str, **arguments: Any) -> Any:
        """What a tool answers, which must have gone well."""
        is_error, text = await self._call(tool, arguments)
        assert not is_error, text
        return json.loads(text)

    async def refused(self, tool: str, **arguments: Any) -> str:
        """The one line in which a tool says what is wrong."""
        is_error, text = await self._call(tool, arguments)
        assert is_error, text
        assert "\n" not in text
        return text

    async def _call(self, tool: str, arguments: dict[str, Any]) -> tuple[bool, str]:
        result = await self.client.call_tool(tool, arguments)
        [content] = result.content
        assert isinstance(content, TextContent)
        return result.is_error, content.text


def settings(home: Path, server: str, key: str | None = None) -> dict[str, str]:
    """The environment of a `buildd mcp` in an empty home."""
    source = str(Path(__file__).parents[2] / "src")
    given = {"PYTHONPATH": source, "HOME": str(home), "PYTHONWARNINGS": "error"}
    given |= {"PATH": os.environ["PATH"], "BUILDD_SERVER": server}
    return given if key is None else {**given, "BUILDD_API_KEY": key}


@asynccontextmanager
async def stdio(
    home: Path, server: str, key: str | None = None, mode: str = "auto"
) -> AsyncIterator[Speaker]:
    """A real `buildd mcp`, whose stderr must stay empty."""
    errors = home / "stderr.txt"
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "buildd", "mcp"],
        env=settings(home, server, key),
        cwd=home,
    )
    with errors.open("w") as errlog:
        async with Client(stdio_client(parameters, errlog), mode=mode) as client:
            yield Speaker(client)
    assert errors.read_text() == "", errors.read_text()


@asynccontextmanager
async def http(url: str, key: str | None = None, mode: str = "auto") -> AsyncIterator[Speaker]:
    """A client of `/mcp` with that key."""
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(
        headers=headers, trust_env=False, timeout=60, verify=NO_TLS
    ) as pool:
        transport = streamable_http_client(f"{url}/mcp", http_client=pool)
        async with Client(transport, mode=mode) as client:
            yield Speaker(client)


def played(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Play a story to its end."""
    anyio.run(story)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread or process does."""
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - it happens outside of this loop
            await anyio.sleep(0.02)
