"""The runner itself: each call is one SSH connection, and a connection that fails says nothing.

An agent lives on when the connection that started it ends, and so does what was asked for when the
connection is lost meanwhile. Hence `ensure` and `stop` may be repeated, and `observe` never guesses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from pydantic import JsonValue, ValidationError

from buildd.errors import BuilddError, ConfigError, Unavailable
from buildd.roles import ExternalRef, LaunchOrder, LaunchState, Observation
from buildd.routing import AccountType
from buildd_runners.vm import ssh
from buildd_runners.vm.door import PROGRAM, Answer, Request, Verb, find
from buildd_runners.vm.ssh import Host

NAME = "vm"
_PATIENCE = 45.0
"""Seconds a host may take to answer. A busy one takes long to start a Python."""
_NOT_FOUND = (126, 127)
_MISSING = re.compile(r"No module named '?buildd_runners(\.vm)?")


class VmRunner:
    """Agents on one host, which has buildd installed."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @classmethod
    def from_config(cls, config: Mapping[str, JsonValue]) -> VmRunner:
        """Made of the fields of `Host`, of which only `host` is needed. Raises `ConfigError`."""
        return cls(Host.from_config(config))

    @property
    def serves(self) -> frozenset[AccountType]:
        """A service's agents."""
        return frozenset({AccountType.SERVICE})

    async def ensure(self, order: LaunchOrder) -> ExternalRef:
        """Start the agent, unless it was started before.

        Raises `ConfigError` for what a person must mend, `Unavailable` if nothing was done, and
        `OutcomeUnknown` if the agent may have been started.
        """
        told = await self._ask(Request(verb=Verb.ENSURE, order=order))
        if told.ref is None:
            raise Unavailable(f"{self._host}: buildd {told.buildd} does not say what it started")
        return self._outside(told.ref)

    async def observe(self, ref: ExternalRef) -> Observation:
        """Whether its process runs; unknown if the host does not say so itself."""
        try:
            told = await self._ask(Request(verb=Verb.OBSERVE, ref=self._inside(ref)))
        except BuilddError as problem:
            return Observation(LaunchState.UNKNOWN, problem.message)
        return told.observation or Observation(LaunchState.UNKNOWN, "the host does not say")

    async def stop(self, ref: ExternalRef, grace: float) -> None:
        """SIGTERM, which drains; after `grace` seconds everything it started is killed.

        It is carried out even if the connection is lost. Raises as `ensure`.
        """
        await self._ask(Request(verb=Verb.STOP, ref=self._inside(ref), grace=grace))

    async def list_owned(self) -> list[ExternalRef]:
        """Every launch whose directory is still on the host. Raises as `ensure`."""
        told = await self._ask(Request(verb=Verb.LIST))
        return [self._outside(each) for each in told.owned]

    async def forget(self, ref: ExternalRef) -> None:
        """Remove the directory of a launch that has ended, with its log. Raises as `ensure`."""
        await self._ask(Request(verb=Verb.FORGET, ref=self._inside(ref)))

    async def extend(self, ref: ExternalRef, seconds: float) -> None:
        """Nothing to do: a process does not end by itself."""

    async def check(self) -> None:
        """The host must let us in, and have Python, buildd and git."""
        try:
            await self._ask(Request(verb=Verb.CHECK))
        except Unavailable as problem:
            raise ConfigError(problem.message) from None

    async def _ask(self, request: Request) -> Answer:
        request = request.model_copy(update={"state_dir": self._host.state_dir})
        # Without -P, a file in the user's home would count as a module.
        words = (self._host.python, "-P", "-m", PROGRAM)
        sent = request.model_dump_json().encode()
        done = await ssh.run(self._host, words, sent, _PATIENCE + request.grace)
        try:
            told = find(done.stdout)
        except ValidationError:
            raise ConfigError(f"{self._host}: its buildd is too new; update ours") from None
        if told is None:
            raise self._silence(done.returncode, done.stderr)
        if told.refused is not None:
            raise ConfigError(f"{self._host}: {told.refused}")
        if told.busy is not None:
            raise Unavailable(f"{self._host}: {told.busy}")
        return told

    def _silence(self, code: int, stderr: bytes) -> BuilddError:
        """Why the host ran something and there is no answer."""
        said = ssh.last_line(stderr)
        python = self._host.python
        if code in _NOT_FOUND:
            return ConfigError(f"{self._host} has no {python}; set `python` to the one with buildd")
        if "nknown option: -P" in stderr.decode(errors="replace"):
            return ConfigError(
                f"{self._host}: {python} is older than 3.11; set `python` to another"
            )
        if missing := _MISSING.search(said):
            what = "is too old" if missing[1] else "is not installed"
            return ConfigError(f"{self._host}: buildd {what} there: {python} -m pip install buildd")
        return Unavailable(
            f"{self._host}: {python} ended with code {code}: {said or 'it says nothing'}"
        )

    def _outside(self, ref: ExternalRef) -> ExternalRef:
        """Names the host too: on another one, the same process would be somebody else's."""
        return ExternalRef(NAME, ref.order_id, f"{self._host}/{ref.external_id}")

    def _inside(self, ref: ExternalRef) -> ExternalRef:
        host, _, process = ref.external_id.rpartition("/")
        if host != str(self._host):
            raise ConfigError(f"{ref.order_id} is on {host or 'another host'}, not {self._host}")
        return replace(ref, external_id=process)
