"""Stands between the SDK and Claude Code, as a program of its own: python -I -S launch.py PID PROGRAM ….

The SDK hands its child the whole environment of the agent; variables can be emptied, not removed.
This removes them, gives Claude Code a session of its own, and ties its life to the agent's.
"""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the program, unless the agent is gone already."""
    agent, program = int(sys.argv[1]), sys.argv[2:]
    os.setsid()
    if sys.platform.startswith("linux"):
        import ctypes

        # SIGTERM and not SIGKILL: it ends the shells of its tools before itself.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != agent:
            sys.exit(1)
    environment = {name: value for name, value in os.environ.items() if value}
    os.execve(program[0], program, environment)  # noqa: S606 - there is no shell, and should be none


if __name__ == "__main__":
    main()
