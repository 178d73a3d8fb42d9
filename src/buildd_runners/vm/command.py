"""`buildd vm`: machines with an agent that is always on, offered through the group `buildd.commands`."""

from __future__ import annotations

import os
from typing import Any

import anyio
import click

from buildd.cli._verb import Noun, Session, pass_session
from buildd.errors import BuilddError, ConfigError, Unavailable
from buildd_runners.environment import checked
from buildd_runners.vm import ssh
from buildd_runners.vm.service import NAME, Service
from buildd_runners.vm.ssh import Host

_PATIENCE = 900.0
"""Seconds that an installation may take; a restarted agent drains first."""
_REFUSED, _NOT_STARTED = 9, 8
# The script is not in this line, as others on the machine can read it.
_ROOT = ("test $(id -u) = 0 && exec sh -s;", "exec sudo -n sh -s")


@click.group(cls=Noun)
def vm() -> None:
    """Machines whose agent is always on."""


def _of_the_service(function: Any) -> Any:
    for option in (
        click.argument("arguments", nargs=-1, metavar="[-- AGENT_ARGUMENTS]"),
        click.option(
            "--drain-timeout",
            type=click.IntRange(0, 86_400),
            default=600,
            show_default=True,
            metavar="SECONDS",
            help="How long running tasks may take to finish when the agent is asked to end.",
        ),
        click.option("--program", metavar="PATH", help="The buildd-agent there, if there is one."),
        click.option("--agent-server", metavar="URL", help="The server as the machine reaches it."),
        click.option("--account", metavar="ACC_ID", required=True, help="Whose agent it is."),
    ):
        function = option(function)
    return function


@vm.command(name="cloud-init")
@_of_the_service
@pass_session
def cloud_init(session: Session, account: str, **fields: Any) -> None:
    """Print a cloud-init file for one new machine, which must boot within 15 minutes.

    It holds an enrolment token that is good once, because programs on a machine can read what it
    was made from. For the same reason it takes no key of a model: let the image bring that.
    """
    click.echo(_service(session, account, fields).cloud_init(), nl=False)


@vm.command()
@click.argument("host")
@_of_the_service
@click.option("--user", metavar="NAME", help="Who to log in as: root, or who may use sudo.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port of its SSH server.")
@click.option("--identity-file", metavar="FILE", help="The private key; no other is tried then.")
@click.option("--known-hosts", metavar="FILE", help="The host keys to trust; no others are then.")
@click.option(
    "--pass-env",
    multiple=True,
    metavar="NAME",
    help="A variable of this environment that the agent gets, such as a model's key; repeatable.",
)
@click.option("--enrol-again", is_flag=True, help="Give it a new key, also if it has one.")
@pass_session
def bootstrap(session: Session, host: str, account: str, **fields: Any) -> None:
    """Have an agent always on at HOST, by SSH; said again, it changes what is different.

    The machine needs systemd, git and, unless --program is given, Python 3.11 with venv.
    """
    where = {name: fields.pop(name) for name in ("user", "port", "identity_file", "known_hosts")}
    machine = Host.from_config({"host": host, **{k: v for k, v in where.items() if v}})
    settings = _variables(fields.pop("pass_env"))
    renew = fields.pop("enrol_again")
    service = _service(session, account, {**fields, "settings": settings, "renew": renew})
    anyio.run(_install, machine, service)
    click.echo(f"{machine} has an agent: journalctl --unit={NAME} tells what it does")


def _service(session: Session, account: str, fields: dict[str, Any]) -> Service:
    server = fields.pop("agent_server") or session.server
    with session.connect() as client:
        token = client.accounts.create_enrolment(account_id=account).token
    return Service(server, token, **fields)


def _variables(names: tuple[str, ...]) -> dict[str, str]:
    missing = [name for name in checked(names) if name not in os.environ]
    if missing:
        raise ConfigError(f"--pass-env {missing[0]}: it is not set here")
    return {name: os.environ[name] for name in names}


async def _install(machine: Host, service: Service) -> None:
    done = await ssh.run(machine, _ROOT, service.script().encode(), _PATIENCE)
    if done.returncode == 0:
        return
    said = ssh.last_line(done.stderr) or f"the installation ended with code {done.returncode}"
    raise _failure(done.returncode)(f"{machine}: {said}{_tail(done.stderr, done.returncode)}")


def _failure(code: int) -> type[BuilddError]:
    return ConfigError if code in (_REFUSED, _NOT_STARTED) else Unavailable


def _tail(stderr: bytes, code: int) -> str:
    """What the agent itself said last, where it was installed and did not start."""
    if code != _NOT_STARTED:
        return ""
    lines = [line for line in stderr.splitlines() if b"error:" in line]
    return f" ({ssh.last_line(lines[-1])})" if lines else ""
