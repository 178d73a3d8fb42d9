"""An agent as a service of a machine: its unit, and the script that installs it there, again and again.

The script is read from standard input by a root shell, or run once by cloud-init. What is secret in
it goes by the shell's own `printf` into files that only root can read, so into no argument.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import buildd
from buildd.errors import ConfigError

NAME = "buildd-agent"
_HOME = "/var/lib/buildd"
_VENV = "/opt/buildd"
_ETC = "/etc/buildd"
_LAST_REPORTS = 60
"""Seconds that an agent may take beyond its drain, for reports that a server does not answer."""
_UNSAID = re.compile(r"[\x00-\x1f]")

_UNIT = """\
[Unit]
Description=An agent of buildd
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
User={user}
StateDirectory=buildd
StateDirectoryMode=0700
WorkingDirectory={home}
Environment=HOME={home}
EnvironmentFile={etc}/agent.env
LoadCredential=buildd_api_key:{etc}/enrolment
ExecStart={command}
Restart=always
RestartSec=5
# A setting or a key that is wrong stays so.
RestartPreventExitStatus=2 4
# Ready when the server has answered; fed only while it answers.
WatchdogSec=15min
# SIGTERM is for the agent, which drains; what is left when its time is over is killed.
KillMode=mixed
TimeoutStopSec={stop}
# A task that eats all memory is ended by itself, and neither its agent nor the machine with it.
OOMPolicy=continue
MemoryMax=80%
TasksMax=4096
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""

_SCRIPT = """\
set -eu
umask 077
test "$(id -u)" = 0 || {{ echo "it needs root, or sudo without a password" >&2; exit 9; }}
test -d /run/systemd/system || {{ echo "this machine was not booted with systemd" >&2; exit 9; }}
id -u {user} > /dev/null 2>&1 ||
    useradd --system --home-dir {home} --shell /usr/sbin/nologin {user}
{program}
install -d -m 0700 {etc}
changed=
put() {{
    printf %s "$2" > "$1.new"
    if cmp -s "$1.new" "$1"; then rm "$1.new"; else mv "$1.new" "$1"; changed=yes; fi
}}
{enrolment}
put {etc}/agent.env {environment}
put /etc/systemd/system/{name}.service {unit}
chmod 0644 /etc/systemd/system/{name}.service
systemctl daemon-reload
systemctl --quiet enable {name}
if test -n "$changed" || ! systemctl --quiet is-active {name}; then
    systemctl restart {name} || {{
        journalctl --unit={name} --lines=20 --output=cat --no-pager >&2 || true
        echo "the agent does not start" >&2
        exit 8
    }}
fi
"""

_INSTALL = """\
test -x {venv}/bin/python || python3 -m venv {venv}
{venv}/bin/python -c 'import buildd, sys; sys.exit(buildd.__version__ != "{version}")' 2> /dev/null ||
    {venv}/bin/python -m pip install --quiet buildd=={version}
chmod -R a+rX {venv}"""


@dataclass(frozen=True)
class Service:
    """One always-on agent of a machine."""

    server: str
    """The server's URL, as the machine reaches it."""
    token: str = field(repr=False)
    """An enrolment token. A machine that has enrolled before keeps the key that it has."""
    arguments: Sequence[str] = ()
    """Further arguments of `buildd-agent`."""
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further variables of the agent, such as the key of its model."""
    program: str | None = None
    """The `buildd-agent` there; None: buildd is installed for it."""
    user: str = "buildd"
    drain_timeout: int = 600
    """Seconds that running tasks have to finish when the agent is asked to end."""
    renew: bool = False
    """Whether a machine that has enrolled before does so again."""

    def unit(self) -> str:
        """The text of the unit."""
        program = self.program or f"{_VENV}/bin/buildd-agent"
        words = [program, "--quiet", f"--drain-timeout={self.drain_timeout}", *self.arguments]
        return _UNIT.format(
            user=self.user,
            home=_HOME,
            etc=_ETC,
            command=" ".join(map(_word, words)),
            stop=self.drain_timeout + _LAST_REPORTS,
        )

    def script(self) -> str:
        """What a root shell runs to have the service; run again, it changes what is different."""
        token = f"put {_ETC}/enrolment {shlex.quote(self.token)}"
        if not self.renew:
            token = f"test -s {_ETC}/enrolment || {token}"
        return _SCRIPT.format(
            user=self.user,
            home=_HOME,
            etc=_ETC,
            name=NAME,
            program=self._program(),
            enrolment=token,
            environment=shlex.quote(self._environment()),
            unit=shlex.quote(self.unit()),
        )

    def cloud_init(self) -> str:
        """A cloud-init file for a machine that is made anew. JSON is YAML that needs no library."""
        path = "/run/buildd-install"
        config = {
            "packages": ["git", "python3-venv"],
            "write_files": [{"path": path, "permissions": "0600", "content": self.script()}],
            "runcmd": [["sh", path], ["rm", path]],
        }
        return f"#cloud-config\n{json.dumps(config, indent=2)}\n"

    def _program(self) -> str:
        if self.program is None:
            return _INSTALL.format(venv=_VENV, version=buildd.__version__)
        quoted = shlex.quote(self.program)
        return f"test -x {quoted} || {{ echo {quoted} is no program there >&2; exit 9; }}"

    def _environment(self) -> str:
        values = {"BUILDD_SERVER": self.server, **self.settings}
        return "".join(f"{name}={_value(name, value)}\n" for name, value in values.items())


def _word(text: str) -> str:
    """A word of ExecStart, in which systemd neither splits nor puts anything in the place of signs."""
    if _UNSAID.search(text):
        raise ConfigError(
            "an argument of the agent holds a line break or another control character"
        )
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _value(name: str, text: str) -> str:
    if _UNSAID.search(text):
        raise ConfigError(f"{name} holds a line break or another control character")
    escaped = re.sub(r'([\\"$`])', r"\\\1", text)
    return f'"{escaped}"'
