"""The command line. Everything behind it is imported only when a command runs."""

from __future__ import annotations

__all__ = ["main"]


def main() -> int:
    """Run `buildd` with the arguments of this process; the answer is its exit code."""
    import io
    import sys

    from buildd.cli._app import root
    from buildd.cli._exits import run

    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # A terminal that cannot show a letter shows its number.
            stream.reconfigure(errors="backslashreplace")
    return run(root, sys.argv[1:], "buildd")
