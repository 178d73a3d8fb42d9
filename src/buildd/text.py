"""Text of unknown origin, made fit to be stored and shown."""

from __future__ import annotations


def storable(text: str, limit: int) -> str:
    """The text without what a database refuses (U+0000, lone surrogates), cut to a length."""
    clean = text[:limit].encode(errors="replace").decode()
    return clean.replace("\0", "\N{REPLACEMENT CHARACTER}")


def one_line(text: str, limit: int) -> str:
    """The text as one short line that a terminal may be given."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
