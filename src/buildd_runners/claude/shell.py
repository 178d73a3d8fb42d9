"""The model's shell: the SDK's protocol with a bash, on a process that we start and really end.

The SDK would start it in the agent's own session, where Ctrl-C at the terminal reaches it, and would
end the bash alone, not what it started.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import anyio
from anthropic.lib.tools import ToolError
from anthropic.lib.tools.agent_toolset import BASH_DEFAULT_TIMEOUT, BashSession

from buildd.agent.process import MARK, spawn, stop
from buildd_runners.cut import cut

_OUTPUT = 32_000
"""Characters of a command's output that the model gets to see."""
_ENDED = -1
"""What the SDK gives for an exit code when bash did not live to tell one."""


class Shell:
    """A bash that keeps its directory and variables from one command to the next."""

    def __init__(self, workdir: Path, environment: Mapping[str, str]) -> None:
        self._workdir = workdir
        self._environment = {**environment, "PS1": "", "PS2": "", "TERM": "dumb"}
        self._bash: BashSession | None = None
        self._leader = 0

    async def run(self, command: str, seconds: float | None = None) -> str:
        """What a command printed. Raises `ToolError` if it fails or takes longer than `seconds`."""
        bash = await self._ready()
        try:
            output, code = await bash.exec(command, timeout=seconds or BASH_DEFAULT_TIMEOUT)
        except TimeoutError as problem:
            await self.close()
            raise ToolError(f"{problem}; the shell and all it had started were ended") from None
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            output, code = "", _ENDED
        shown = cut(output, _OUTPUT)
        if code == _ENDED:
            await self.close()
            raise ToolError(f"{shown}\n(the shell ended; the next command gets a new one)".strip())
        if code != 0:
            raise ToolError(f"{shown}\n(exit code {code})".strip())
        return shown or "(no output)"

    async def _ready(self) -> BashSession:
        if self._bash is None:
            process = await spawn(
                ["/bin/bash", "--noprofile", "--norc"],
                cwd=self._workdir,
                environment=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            self._leader = process.pid
            self._bash = BashSession(process)
        return self._bash

    async def close(self) -> None:
        """End the shell with everything that was started in it; cannot be cancelled."""
        bash, self._bash = self._bash, None
        if bash is None:
            return
        with anyio.CancelScope(shield=True):
            await stop(self._leader, self._environment[MARK])
            await bash.close()
