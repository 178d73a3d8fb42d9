"""The tools as an MCP server: the only code of the library that knows the SDK."""

from __future__ import annotations

import logging
from contextlib import aclosing
from typing import Any

import pydantic_core
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    TextContent,
    ToolAnnotations,
)
from mcp_types import Tool as Offered
from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema

import buildd
from buildd import errors
from buildd.client import AsyncClient
from buildd.mcp.leases import Leases
from buildd.mcp.tools import INSTRUCTIONS, TOOLS, Caller, Tool
from buildd.wire import invalid

log = logging.getLogger(__name__)


class _Plain(GenerateJsonSchema):
    """A schema without the titles that pydantic makes up: a model pays for every word."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def server_of(caller: Caller) -> Server[Any]:
    """The MCP server of one caller."""

    async def list_tools(_context: object, _params: object) -> ListToolsResult:
        return ListToolsResult(tools=list(OFFERED))

    async def call_tool(_context: object, params: CallToolRequestParams) -> CallToolResult:
        return await _called(caller, params.name, params.arguments or {})

    return Server(
        "buildd",
        version=buildd.__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def serve_stdio(client: AsyncClient) -> None:
    """Serve whoever started this process, until they close its standard input."""
    async with client, aclosing(Leases()) as leases, stdio_server() as (read, write):
        server = server_of(Caller(client, leases))
        await server.run(read, write, server.create_initialization_options())


async def _called(caller: Caller, name: str, arguments: dict[str, Any]) -> CallToolResult:
    """Call a tool. Whatever goes wrong is an answer: one line with the error's stable code."""
    try:
        tool = _named(name)
        answer = await tool.act(caller, _checked(tool, arguments))
    except errors.BuilddError as problem:
        return _text(f"{problem.code}: {_said(problem)}", is_error=True)
    except Exception:
        log.exception("the tool %r failed", name)
        fault = errors.InternalError()
        return _text(f"{fault.code}: {fault.message}", is_error=True)
    return _text(pydantic_core.to_json(answer).decode(), is_error=False)


def _said(problem: errors.BuilddError) -> str:
    """What went wrong, on one line; what it says of the broker's machine is for its log."""
    if problem.outward is None:
        return " ".join(problem.message.split())
    log.warning("%s", problem.message)
    return problem.outward


def _named(name: str) -> Tool:
    tool = TOOLS.get(name)
    if tool is None:
        raise errors.NotFound(f"there is no tool {name!r}; there are {', '.join(TOOLS)}")
    return tool


def _checked(tool: Tool, arguments: dict[str, Any]) -> Any:
    try:
        return tool.arguments.model_validate(arguments, by_alias=True, by_name=False)
    except ValidationError as problem:
        raise invalid(problem) from None


def _text(text: str, *, is_error: bool) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], is_error=is_error)


def _offered(tool: Tool) -> Offered:
    schema = tool.arguments.model_json_schema(by_alias=True, schema_generator=_Plain)
    schema.pop("title", None)
    schema.pop("description", None)
    return Offered(
        name=tool.name,
        description=tool.description,
        input_schema=schema,
        annotations=ToolAnnotations(
            read_only_hint=tool.reads, destructive_hint=False, open_world_hint=False
        ),
    )


OFFERED = tuple(_offered(tool) for tool in TOOLS.values())
