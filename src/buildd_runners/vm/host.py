"""The runner's counterpart on the host, `python -m buildd_runners.vm.host`: a `UnitRunner` by SSH.

It reads one request from standard input, answers it, and ends. What it starts lives on.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import anyio
from pydantic import ValidationError

import buildd
from buildd.agent.options import default_state_dir
from buildd.errors import ConfigError, Unavailable
from buildd.roles import ExternalRef, LaunchOrder
from buildd_runners.vm.door import Answer, Request, Verb
from buildd_runners.vm.units import UnitRunner


async def answer(request: Request) -> Answer:
    """Do what is asked. Raises `ConfigError`, `Unavailable` and `OSError`."""
    here = buildd.__version__
    runner = UnitRunner(_state_dir(request))
    match request:
        case Request(verb=Verb.CHECK):
            await _check(runner)
            return Answer(buildd=here)
        case Request(verb=Verb.LIST):
            return Answer(buildd=here, owned=tuple(await runner.list_owned()))
        case Request(verb=Verb.ENSURE, order=LaunchOrder() as order):
            return Answer(buildd=here, ref=await runner.ensure(order))
        case Request(verb=Verb.OBSERVE, ref=ExternalRef() as ref):
            return Answer(buildd=here, observation=await runner.observe(ref))
        case Request(verb=Verb.STOP, ref=ExternalRef() as ref, grace=grace):
            await runner.stop(ref, grace)
            return Answer(buildd=here)
        case Request(verb=Verb.FORGET, ref=ExternalRef() as ref):
            await runner.forget(ref)
            return Answer(buildd=here)
    raise ConfigError(f"{request.verb} of what?")


def _state_dir(request: Request) -> Path:
    # A local runner of the same user has its own: neither may take the other's agents for orphans.
    given = request.state_dir
    return Path(given).expanduser() if given else default_state_dir() / "vm"


async def _check(runner: UnitRunner) -> None:
    await runner.check()
    if shutil.which("git") is None:
        raise ConfigError("git is not installed, or not in the PATH that programs get by SSH")


def main() -> int:
    """Answer one request."""
    here = buildd.__version__
    try:
        said = anyio.run(answer, Request.model_validate_json(sys.stdin.buffer.read()))
    except ValidationError:
        # What does not fit is not told: the key would be a part of it.
        why = f"its buildd {here} does not understand the request; install the version that asks"
        said = Answer(buildd=here, refused=why)
    except ConfigError as problem:
        said = Answer(buildd=here, refused=problem.message)
    except Unavailable as problem:
        said = Answer(buildd=here, busy=problem.message)
    except OSError as problem:
        said = Answer(buildd=here, busy=f"{problem.filename or 'buildd'}: {problem.strerror}")
    # Whatever the shell began to say ends here: the answer has a line of its own.
    sys.stdout.write(f"\n{said.model_dump_json()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
