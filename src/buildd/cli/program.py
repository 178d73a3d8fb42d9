"""`buildd agent`: what a program that works on a task says to its agent, by the attempt's socket.

Programs call it often and scripts wait for it, so it loads nothing but the standard library's part.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import IO, Any

import click

from buildd import errors
from buildd.cli._verb import given, text_or_stdin

_SOCKET = "BUILDD_AGENT_SOCKET"
_MOST = 1_000_000
"""Characters of an artifact."""


@click.group()
def agent() -> None:
    """What a program says to the agent that runs it.

    These work inside of a task, where $BUILDD_AGENT_SOCKET names the agent's socket; no key is
    needed. The agent itself is `buildd-agent`.
    """


@agent.command()
@click.argument("prompt")
@click.option(
    "--option", "options", multiple=True, metavar="TEXT", help="A possible answer; repeatable."
)
@click.option(
    "--type",
    "kind",
    type=click.Choice(["question", "permission", "confirmation"]),
    default="question",
    show_default=True,
    help="What is asked for.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def ask(prompt: str, options: tuple[str, ...], kind: str, *, as_json: bool) -> None:
    """Ask a person PROMPT (or - for standard input), wait, and print the answer.

    Who stops waiting leaves the question open: asked again, it is the same, and its answer is kept.
    """
    wanted = given(prompt=text_or_stdin(prompt), options=list(options) or None, type=kind)
    answer = _request("ask", **wanted)
    click.echo(json.dumps(answer) if as_json else answer["answer"])


@agent.command()
@click.argument("text")
def say(text: str) -> None:
    """Tell people TEXT (or - for standard input)."""
    _request("say", text=text_or_stdin(text))


@agent.command()
@click.option("--progress", type=click.IntRange(0, 100), help="Percent of the work that is done.")
@click.option("--cost", type=click.FloatRange(min=0), help="US dollars in all, since the start.")
@click.option("--turns", type=click.IntRange(min=0), help="Turns in all, since the start.")
def report(progress: int | None, cost: float | None, turns: int | None) -> None:
    """Report totals since the program began."""
    figures = given(progress=progress, costUsd=cost, turns=turns)
    if not figures:
        raise click.UsageError("nothing to report: give --progress, --cost or --turns")
    _request("report", **figures)


@agent.command()
@click.argument("file", type=click.File("rb"))
@click.option("--type", "kind", metavar="TYPE", help="What it is: file, link, summary, … [file].")
@click.option("--title", help="What it is called [default: the file's name].")
def attach(file: IO[bytes], kind: str | None, title: str | None) -> None:
    """Show people a text FILE (or - for standard input)."""
    name = None if file.name in ("-", "<stdin>") else Path(file.name).name
    fields = given(type=kind, title=title or name)
    _request("attach", content=_text(file), **fields)


@agent.command()
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, with their times.")
def messages(*, as_json: bool) -> None:
    """Print what people have said since the last time, or nothing.

    Each message is printed once. The answer to a question is none of them.
    """
    heard = _request("messages")["messages"]
    if as_json:
        click.echo(json.dumps(heard))
        return
    for message in heard:
        click.echo(message["content"])


def _text(file: IO[bytes]) -> str:
    try:
        text = file.read(4 * _MOST + 1).decode()
    except UnicodeDecodeError:
        raise errors.Invalid(f"{file.name}: is not UTF-8 text, and only text is shown") from None
    if len(text) > _MOST:
        raise errors.TooLarge(f"{file.name}: is longer than {_MOST:,} characters")
    return text


def _request(verb: str, **fields: Any) -> dict[str, Any]:
    """One request and its answer. Raises `buildd.errors`, as the agent does."""
    path = os.environ.get(_SOCKET)
    if not path:
        raise errors.ConfigError(f"{_SOCKET} is not set: this works only inside of a task")
    line = json.dumps({"verb": verb, **fields}, ensure_ascii=False).encode(errors="surrogatepass")
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            connection.sendall(line + b"\n")
            answer = connection.makefile("rb").readline()
    except OSError as problem:
        raise errors.Unreachable(f"the agent does not answer: {problem.strerror}") from None
    if not answer.endswith(b"\n"):
        raise errors.Unreachable("the agent has stopped this attempt")
    return _checked(json.loads(answer))


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        code, message = answer["error"]["code"], answer["error"]["message"]
        classes = {cls.code: cls for cls in _tree(errors.BuilddError)}
        raise classes.get(code, errors.InternalError)(message)
    return answer


def _tree(cls: type[errors.BuilddError]) -> list[type[errors.BuilddError]]:
    return [cls, *(heir for child in cls.__subclasses__() for heir in _tree(child))]
