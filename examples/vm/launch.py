"""Start one agent on a machine that is reached by SSH, tell how it is, and end it on Ctrl-C.

BUILDD_SERVER=… BUILDD_API_KEY=… python launch.py '{"host": "vm.example.org"}' [agent's arguments]
"""

from __future__ import annotations

import json
import os
import secrets
import sys

import anyio

from buildd import plugins
from buildd.errors import BuilddError
from buildd.roles import LaunchOrder, LaunchState

EVERY = 5.0
GRACE = 60.0


async def main() -> None:
    """Look every few seconds, until it has ended."""
    config, *arguments = sys.argv[1:]
    runner = plugins.load().runners.make("vm", json.loads(config))
    await runner.check()
    order = LaunchOrder(
        id=f"lch_vm_{secrets.token_hex(4)}",
        server=os.environ["BUILDD_SERVER"],
        key=os.environ["BUILDD_API_KEY"],
        arguments=tuple(arguments),
    )
    ref = await runner.ensure(order)
    try:
        state = None
        while state is not LaunchState.EXITED:
            seen = await runner.observe(ref)
            state = seen.state
            print(f"{ref.order_id} on {ref.external_id}: {state} {seen.detail}".strip(), flush=True)
            await anyio.sleep(EVERY)
    finally:
        with anyio.CancelScope(shield=True):
            await runner.stop(ref, GRACE)


if __name__ == "__main__":
    try:
        anyio.run(main)
    except BuilddError as problem:
        sys.exit(f"launch.py: {problem.message}")
    except KeyboardInterrupt:
        print("ended")
