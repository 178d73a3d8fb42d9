"""`buildd artifacts`: what attempts made, as files."""

from __future__ import annotations

import codecs
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import click

from buildd.cli._exits import printable
from buildd.cli._verb import Noun, Session, pass_session
from buildd.errors import ConfigError
from buildd.filenames import plain


@click.group(cls=Noun)
def artifacts() -> None:
    """What attempts made, as files."""


@artifacts.command()
@click.argument("artifact_id")
@click.argument("file", required=False)
@pass_session
def download(session: Session, artifact_id: str, file: str | None) -> None:
    """Save an artifact in FILE (- prints it), or under its own name in this directory.

    Under its own name it replaces nothing. `buildd tasks artifacts TASK_ID` lists a task's.
    """
    with session.connect() as bd:
        artifact = bd.artifacts.get(id=artifact_id)
        content = bd.artifacts.content(id=artifact_id)
        if file == "-":
            _print(content)
            return
        path = Path(file or plain(artifact.filename or f"{artifact.id}.txt"))
        if file is None and path.exists():
            raise ConfigError(f"there is a {path} already: name the file to save it in")
        _save(content, path)
    session.said(artifact, f"saved {path}")


def _print(content: Iterable[bytes]) -> None:
    if sys.stdout.isatty():
        for text in codecs.iterdecode(content, "utf-8", "replace"):
            sys.stdout.write(printable(text))
    else:
        sys.stdout.buffer.writelines(content)
    sys.stdout.flush()


def _save(content: Iterable[bytes], path: Path) -> None:
    """All of it or nothing."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".buildd-", delete=False) as part:
            unfinished = Path(part.name)
            try:
                part.writelines(content)
                part.close()
                unfinished.replace(path)
            except BaseException:
                unfinished.unlink()
                raise
    except OSError as problem:
        raise ConfigError(f"cannot write {path}: {problem.strerror}") from None
