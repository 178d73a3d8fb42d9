"""OpenSSH as a subprocess, which knows a user's hosts, jump hosts and agents better than a library.

What is asked goes by standard input. No value of an order is in an argument or in the environment,
and the host's key is checked always, whatever the user's own configuration says.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Annotated

import anyio
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from buildd.agent import process
from buildd.errors import ConfigError, OutcomeUnknown, Unavailable
from buildd_runners.environment import inherited

_PASSED = ("SSH_AUTH_SOCK",)
_FAILED = 255
"""OpenSSH's own exit code; any other is that of the program on the host."""
_LONGEST = 300

# Ours come first, and the first value of an option counts. A connection that is shared with another
# program would have been checked by somebody else, and its master would keep our pipes open.
_ALWAYS = {
    "BatchMode": "yes",
    "ClearAllForwardings": "yes",
    "ControlPath": "none",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "LogLevel": "ERROR",
    "NoHostAuthenticationForLocalhost": "no",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "ServerAliveCountMax": "3",
    "ServerAliveInterval": "5",
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",
}


def _plain(path: Path) -> Path:
    path = path.expanduser()
    # OpenSSH puts its own values in the place of these signs.
    if not path.is_absolute() or set(str(path)) & set("\"'%$\\\r\n"):
        raise ValueError("must be an absolute path without quotes, % and $")
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


_File = Annotated[Path, AfterValidator(_plain)]


class Host(BaseModel):
    """Where to go, and how; what is not said here is as `~/.ssh/config` has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(pattern=r"^[A-Za-z0-9_:][A-Za-z0-9_.:-]{0,252}$")
    """A name or address, or an alias of `~/.ssh/config`."""
    user: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")
    port: int | None = Field(default=None, ge=1, le=65535)
    identity_file: _File | None = None
    """The private key; no other is tried then."""
    known_hosts: _File | None = None
    """The host keys to trust; no others are then."""
    connect_timeout: float = Field(default=10, ge=1, le=600)
    """Seconds."""
    python: str = Field(default="python3", pattern=r"^[A-Za-z0-9_~/][A-Za-z0-9_.~/+-]*$")
    """The host's Python in which buildd is installed; `~/` is the user's home there."""
    state_dir: str | None = Field(default=None, pattern=r"^(/|~/)")
    """The directory on the host for what is started there; None: one in the user's home."""

    @classmethod
    def from_config(cls, config: Mapping[str, JsonValue]) -> Host:
        """Raises `ConfigError`, which names the field."""
        try:
            return cls.model_validate(dict(config))
        except ValidationError as problem:
            first = problem.errors()[0]
            where = ".".join(map(str, first["loc"]))
            said = first["msg"].removeprefix("Value error, ")
            raise ConfigError(f"vm: {where}: {said}") from None

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        return f"{user}{self.host}{f':{self.port}' if self.port else ''}"

    def command(self, *words: str) -> list[str]:
        """The command line that runs something there. The host's shell reads the words again."""
        options = {**_ALWAYS, "ConnectTimeout": str(math.ceil(self.connect_timeout))}
        if self.known_hosts:
            options["UserKnownHostsFile"] = f'"{self.known_hosts}"'
            options["GlobalKnownHostsFile"] = "none"
            options["VerifyHostKeyDNS"] = "no"
        if self.identity_file:
            options["IdentityFile"] = f'"{self.identity_file}"'
            options["IdentitiesOnly"] = "yes"
        if self.user:
            options["User"] = self.user
        if self.port:
            options["Port"] = str(self.port)
        named = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return ["ssh", *named, "--", self.host, *words]


# What OpenSSH says where a person has to do something, and what it means. The programs on the host
# speak on the same stream, so it must be a line as only OpenSSH writes it.
_REFUSALS = {
    r"^@ .*IDENTIFICATION HAS CHANGED": (
        "it shows another host key than the one you know; if the machine was made anew, put its new"
        " key in the place of the old one, else somebody may be in between"
    ),
    r"^No \S+ host key is known for": (
        "its host key is unknown; read the key on the machine itself, and add it to known_hosts"
    ),
    r"^Host key verification failed": "its host key is not to be trusted",
    r"^@ .*UNPROTECTED PRIVATE KEY FILE": "others may read the identity file; chmod 600 it",
    r"^\S+@\S+: Permission denied \(": (
        "it does not let us in; put our public key into ~/.ssh/authorized_keys there"
    ),
    r"Bad configuration option": "OpenSSH does not understand its configuration",
}
_NOT_REACHED = re.compile(
    r"Could not resolve hostname|connect to host|kex_exchange_identification|banner exchange"
)


async def run(
    host: Host, words: tuple[str, ...], stdin: bytes, within: float
) -> CompletedProcess[bytes]:
    """Run a program on the host for at most `within` seconds, besides the time to connect.

    It is not ended when the connection is lost: what was asked for may be done nevertheless.

    Raises `ConfigError` for what a person must mend, `Unavailable` if the host was not reached, and
    `OutcomeUnknown` if the connection was lost, or there was no answer in time.
    """
    try:
        with _pipe(stdin) as reader, anyio.fail_after(host.connect_timeout + within):
            done = await process.run(
                host.command(*words), environment=inherited(_PASSED), stdin=reader
            )
    except TimeoutError:
        raise OutcomeUnknown(f"{host}: no answer in time") from None
    except FileNotFoundError:
        raise ConfigError("OpenSSH is not installed, or not in PATH: there is no ssh") from None
    except OSError as problem:
        raise Unavailable(f"ssh cannot be started now: {problem.strerror}") from None
    if done.returncode == _FAILED or done.returncode < 0:
        raise _failure(host, done.stderr.decode(errors="replace"))
    return done


def last_line(stderr: bytes) -> str:
    """The last thing a program said, as a person may be shown it."""
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines()]
    said = next((line for line in reversed(lines) if line), "")
    return "".join(sign if sign.isprintable() else "?" for sign in said)[:_LONGEST]


def _failure(host: Host, stderr: str) -> Exception:
    for line, means in _REFUSALS.items():
        if re.search(line, stderr, re.MULTILINE):
            return ConfigError(f"{host}: {means}")
    said = last_line(stderr.encode())
    if _NOT_REACHED.search(stderr):
        return Unavailable(f"{host} is not reached: {said}")
    return OutcomeUnknown(f"{host}: the connection was lost ({said or 'ssh does not say why'})")


@contextmanager
def _pipe(content: bytes) -> Iterator[int]:
    """A descriptor to read these bytes from. They are in it before anybody could end early."""
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        try:
            written = os.write(writer, content)
        finally:
            os.close(writer)
        if written < len(content):
            raise ConfigError("the order is too long to be sent")
        yield reader
    finally:
        os.close(reader)
