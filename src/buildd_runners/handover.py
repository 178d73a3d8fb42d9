"""What an agent is handed for an order: its arguments, and its secrets as a private `.env`.

An agent reads the file in its working directory, so that no secret is in an argument or in an
environment. In the directory that `LAUNCH` names, every variable in the file counts.
"""

from __future__ import annotations

import json
import re

from buildd.errors import ConfigError
from buildd.roles import LaunchOrder

LAUNCH = "BUILDD_LAUNCH"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNWRITABLE = re.compile(r"[\x00-\x07\x0b\x0e-\x1f]")
"""Characters for which a quoted value has no sign."""


def arguments(order: LaunchOrder) -> list[str]:
    """The arguments of `buildd-agent`."""
    workspace = [f"--workspace={order.workspace_id}"] if order.workspace_id else []
    return [f"--max-tasks={order.max_tasks}", *workspace, *order.arguments]


def dotenv(order: LaunchOrder) -> str:
    """The text of the private file. Raises `ConfigError` for a setting that cannot be handed over."""
    for name, value in order.settings.items():
        if not _NAME.fullmatch(name) or name.startswith("BUILDD_"):
            raise ConfigError(f"{name!r} is no variable that an agent can be given")
        if _UNWRITABLE.search(value):
            raise ConfigError(f"{name} holds a control character, which a .env file cannot")
    ours = {"BUILDD_SERVER": order.server, "BUILDD_API_KEY": order.key}
    lines = {**order.settings, **ours}
    return "".join(f"{each}={json.dumps(v, ensure_ascii=False)}\n" for each, v in lines.items())
