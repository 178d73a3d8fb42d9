"""Agents of one function, as people write them, for tests that need a process of its own.

`python -m tests.agent.handlers NAME STATE_DIR`, with BUILDD_SERVER and BUILDD_API_KEY.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import buildd
from buildd.agent import BlockingSession, serve


def ask(session: BlockingSession) -> dict[str, str]:
    """Ask a person what to do, unless one has said so already."""
    (session.workdir / "begun").write_text("begun")
    for message in session.history():
        if message.answers is not None:
            return {"answer": f"{message.content}, said before"}
    answer = session.ask("Which one?")
    if answer == "wait":
        (session.workdir / "waiting").write_text("waiting")
        session.receive()
    return {"answer": answer}


def spend(session: BlockingSession) -> None:
    """Work on, at a dollar a turn, until somebody stops it."""
    (session.workdir / "half.txt").write_text("half\n")
    subprocess.Popen(["sleep", "600"], env=dict(session.environment))
    (session.workdir / "begun").write_text("begun")
    for turn in range(1, 1000):
        session.report(cost_usd=Decimal(turn), turns=turn)
        time.sleep(0.2)


def main() -> None:
    """Run one of them."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    handlers = {"ask": ask, "spend": spend}
    serve(buildd.connect(), handlers[sys.argv[1]], drain_timeout=0, state_dir=Path(sys.argv[2]))


if __name__ == "__main__":
    main()
