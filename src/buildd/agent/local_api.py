"""What a program that works on an attempt can have of its agent: a unix socket of the attempt's own.

A connection carries one request and its answer, each a line of JSON. It stays open while a question
waits; who hangs up waits no more. The program needs no key, and nothing in a request is a path: the
agent reads no file for anybody.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
from anyio.abc import SocketStream, TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from buildd.errors import BuilddError, InternalError, Invalid, TooLarge
from buildd.models import ArtifactType, QuestionType
from buildd.models._model import Count, LongText, Percent, Prompt, Text, Title, Usd
from buildd.roles import Session
from buildd.wire import invalid

log = logging.getLogger(__name__)

_LINE = 8 * 2**20
"""Bytes of a request: the longest text there may be, with many of its characters escaped."""
_AT_ONCE = 32
"""Connections; who comes then waits for one to end."""
_PATIENCE = 30.0
"""Seconds for a request to arrive, and for an answer to be taken."""
_PATH = 100
"""Bytes that the kernel allows for the path of a socket, everywhere."""
_NAME = "agent.sock"


class _Request(BaseModel):
    model_config = ConfigDict(
        defer_build=True, extra="forbid", alias_generator=to_camel, validate_by_name=True
    )


class _Ask(_Request):
    verb: Literal["ask"]
    prompt: Prompt
    type: QuestionType = QuestionType.QUESTION
    options: Annotated[list[Text], Field(max_length=100)] | None = None


class _Say(_Request):
    verb: Literal["say"]
    text: LongText


class _Report(_Request):
    verb: Literal["report"]
    progress: Percent | None = None
    cost_usd: Usd | None = None
    turns: Count | None = None


def _not_the_servers(kind: ArtifactType) -> ArtifactType:
    if kind is ArtifactType.PULL_REQUEST:
        raise ValueError("the server opens pull requests and shows them; attach a link")
    return kind


class _Attach(_Request):
    verb: Literal["attach"]
    type: Annotated[ArtifactType, AfterValidator(_not_the_servers)] = ArtifactType.FILE
    title: Title | None = None
    content: LongText


class _Messages(_Request):
    verb: Literal["messages"]


_Any = _Ask | _Say | _Report | _Attach | _Messages
_REQUEST: TypeAdapter[_Any] = TypeAdapter(
    Annotated[_Any, Field(discriminator="verb")], config=ConfigDict(defer_build=True)
)


async def serve(session: Session, *, task_status: TaskStatus[Path]) -> None:
    """Serve the attempt's programs until cancelled; ready with the socket's path."""
    room = anyio.Semaphore(_AT_ONCE)
    with _place(session.scratch) as path:
        async with (
            await anyio.create_unix_listener(path, mode=0o600) as listener,
            anyio.create_task_group() as talks,
        ):
            task_status.started(path)
            while True:
                await room.acquire()
                talks.start_soon(_talk, await listener.accept(), session, room)


@contextmanager
def _place(scratch: Path) -> Iterator[Path]:
    """Where the socket may be: in the scratch directory, unless that has too long a name."""
    path = scratch / _NAME
    if len(os.fsencode(path)) <= _PATH:
        yield path
        return
    directory = tempfile.mkdtemp(prefix="buildd-")
    try:
        yield Path(directory) / _NAME
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def _talk(stream: SocketStream, session: Session, room: anyio.Semaphore) -> None:
    try:
        async with stream:
            answer = await _attend(stream, session)
            if answer is not None:
                with anyio.move_on_after(_PATIENCE):
                    await stream.send(json.dumps(answer).encode() + b"\n")
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        log.debug("a program did not wait for its answer")
    finally:
        room.release()


async def _attend(stream: SocketStream, session: Session) -> dict[str, Any] | None:
    """The answer; None if nobody waits for it any more."""
    reader = BufferedByteReceiveStream(stream)
    try:
        with anyio.fail_after(_PATIENCE):
            line = await reader.receive_until(b"\n", _LINE)
    except anyio.DelimiterNotFound:
        return _refusal(TooLarge(f"a request is a line of at most {_LINE} bytes"))
    except TimeoutError:
        return _refusal(Invalid(f"no request within {_PATIENCE:.0f} seconds"))
    except anyio.IncompleteRead:
        return None
    answer: dict[str, Any] | None = None
    async with anyio.create_task_group() as both:
        both.start_soon(_watch, reader, both.cancel_scope)
        answer = await _answer(line, session)
        both.cancel_scope.cancel()
    return answer


async def _watch(reader: BufferedByteReceiveStream, waiting: anyio.CancelScope) -> None:
    """End the wait when the other side hangs up."""
    try:
        while True:
            await reader.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        waiting.cancel()


async def _answer(line: bytes, session: Session) -> dict[str, Any]:
    try:
        return await _do(_REQUEST.validate_json(line), session)
    except ValidationError as problem:
        return _refusal(invalid(problem))
    except BuilddError as problem:
        return _refusal(problem)
    except Exception:
        log.exception("a program's request could not be answered")
        return _refusal(InternalError())


async def _do(request: _Any, session: Session) -> dict[str, Any]:
    match request:
        case _Ask(prompt=prompt, type=kind, options=options):
            return {"answer": await session.ask(prompt, type=kind, options=options)}
        case _Say(text=text):
            await session.say(text)
        case _Report(progress=progress, cost_usd=cost, turns=turns):
            await session.report(progress=progress, cost_usd=cost, turns=turns)
        case _Attach(type=kind, title=title, content=content):
            await session.attach(kind, title=title, content=content)
        case _Messages():
            shown = {"id", "content", "created_at"}
            heard = [each.model_dump(mode="json", include=shown) for each in session.heard()]
            return {"messages": heard}
    return {}


def _refusal(problem: BuilddError) -> dict[str, Any]:
    return {"error": {"code": problem.code, "message": problem.message}}
