"""The demo's coding agent: a program for the `command` executor that needs no model and no network.

It gets the task on standard input and works in the attempt's own worktree, as any agent would: it
reads what is wanted, changes the code, runs the tests, and commits. Only its knowledge is canned.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import time
from pathlib import Path

PACE = 0.5
"""Seconds between two steps, so that there is something to watch."""

KNOWLEDGE = {
    "subtotal": "    return sum(prices)",
    "discount": "    return amount - amount * percent // 100 - (amount * percent % 100 > 0)",
    "split": (
        "    share, cents = divmod(amount, people)\n"
        "    return [share + (place < cents) for place in range(people)]"
    ),
    "greeting": '    return f"Good to see you, {name}!"',
    "tax": ("    whole = 100 + percent\n    return (2 * amount * percent + whole) // (2 * whole)"),
    "receipt": (
        '    rows = [*items.items(), ("total", sum(items.values()))]\n'
        '    lines = [f"{name:<6}{cents / 100:>6.2f}" for name, cents in rows]\n'
        '    return "\\n".join([*lines[:-1], "-" * 12, lines[-1]])'
    ),
}


def main() -> int:
    """Do the task on standard input; the exit code says whether its tests pass."""
    prompt = sys.stdin.read()
    wanted = re.search(r"`(\w+)` in (\w+\.py)", prompt)
    if not wanted or wanted[1] not in KNOWLEDGE:
        say("this task is none of those I know")
        return 1
    function, file = wanted.groups()
    say(f"reading {file}")
    say(f"{function}: {'passes already' if passes(function) else 'its test fails'}")
    rewrite(Path(file), function, KNOWLEDGE[function])
    say(f"rewrote {function}")
    if not passes(function):
        say(f"{function}: its test still fails")
        return 1
    say(f"{function}: its test passes")
    if not subprocess.run(["git", "diff", "--quiet", "HEAD"], check=False).returncode:
        return 0  # an earlier attempt was ended after its commit
    subprocess.run(["git", "commit", "--quiet", "--all", "-m", f"Make {function} work"], check=True)
    return 0


def say(sentence: str) -> None:
    """Tell whoever watches, and take the time a thought takes."""
    print(sentence, flush=True)
    time.sleep(PACE)


def passes(function: str) -> bool:
    """Whether the function's own test passes."""
    test = f"test_till.TestTill.test_{function}"
    return (
        subprocess.run(
            [sys.executable, "-m", "unittest", "-q", test], check=False, capture_output=True
        ).returncode
        == 0
    )


def rewrite(path: Path, function: str, body: str) -> None:
    """Replace what a function does, below its docstring."""
    text = path.read_text()
    lines = text.splitlines()
    nodes = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    docstring, *_, last = next(node for node in nodes if node.name == function).body
    lines[docstring.end_lineno : last.end_lineno] = [body]
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
