"""Make the client's blocking half from its asynchronous half; with `--check`, tell if it is stale.

A rule that no source file needs is an error, so that this list never holds more than it must.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).parent.parent / "src" / "buildd" / "client"
FILES = {"_async.py": "_sync.py", "_http_async.py": "_http_sync.py"}

RULES = [
    (r"AsyncGenerator\[(.+), None\]", r"Generator[\1, None, None]"),
    (r"Awaitable\[R\]", "R"),
    (r" Awaitable,", ""),
    (r"\bAsync([A-Z])", r"\1"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b__aenter__\b", "__enter__"),
    (r"\b__aexit__\b", "__exit__"),
    (r"\baclose\b", "close"),
    (r"\baclosing\b", "closing"),
    (r"\baread\b", "read"),
    (r"\baiter_bytes\b", "iter_bytes"),
    (r"\basync_pieces\b", "pieces"),
    (r"\bimport anyio\n", "import time\n"),
    (r"\banyio\.sleep\b", "time.sleep"),
    (r"\s+`_(http_)?sync\.py` is made from this file\.", ""),
]


def translate(name: str, used: set[str]) -> str:
    """The blocking text of one source file; adds the rules that did something to `used`."""
    text = (CLIENT / name).read_text()
    for pattern, replacement in RULES:
        text, count = re.subn(pattern, replacement, text)
        if count:
            used.add(pattern)
    text = text.replace(
        '"""', f'"""Generated from {name} by scripts/unasync.py: do not edit.\n\n', 1
    )
    return _formatted(text)


def _formatted(text: str) -> str:
    for command in (["check", "--select=I,F401", "--fix", "--quiet"], ["format", "--quiet"]):
        text = subprocess.run(
            [
                sys.executable,
                "-m",
                "ruff",
                *command,
                "--stdin-filename=src/buildd/client/_.py",
                "-",
            ],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            cwd=CLIENT.parent.parent.parent,
        ).stdout
    return text


def main(arguments: list[str]) -> str | None:
    """Write the files, or compare them; returns what is wrong."""
    used: set[str] = set()
    made = {target: translate(source, used) for source, target in FILES.items()}
    if unused := [pattern for pattern, _ in RULES if pattern not in used]:
        return f"unasync: rules that nothing needs: {unused}"
    if "--check" in arguments:
        stale = [
            name
            for name, text in made.items()
            if not (CLIENT / name).exists() or (CLIENT / name).read_text() != text
        ]
        return f"unasync: stale, run scripts/unasync.py: {', '.join(stale)}" if stale else None
    for name, text in made.items():
        (CLIENT / name).write_text(text)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
