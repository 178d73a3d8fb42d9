"""A launch as Coder knows it: the workspace's name, and the parameters that its template takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from buildd.errors import ConfigError
from buildd.roles import LaunchOrder
from buildd_runners.handover import arguments

KEY = "buildd_key"
"""Ephemeral in the template: Coder does not give it to the next build again."""
LAUNCH = "buildd_launch"
SERVER = "buildd_server"
ARGUMENTS = "buildd_arguments"
PARAMETERS = (SERVER, KEY, LAUNCH, ARGUMENTS)

_DIGITS = 24
"""With a prefix of 7 and a hyphen these are the 32 characters that Coder allows."""


def name_of(order_id: str, prefix: str) -> str:
    """The name of the workspace, the same each time: letters, digits and one hyphen."""
    return f"{prefix}-{hashlib.sha256(order_id.encode()).hexdigest()[:_DIGITS]}"


def parameters_of(order: LaunchOrder, besides: Mapping[str, str]) -> dict[str, str]:
    """What the template is given. Whoever may see the workspace can read it, the key too.

    Raises `ConfigError` for further settings, which would be read as well.
    """
    if order.settings:
        raise ConfigError(
            "pass_env: whoever may see a workspace at Coder could read "
            f"{', '.join(sorted(order.settings))}; let the template bring them"
        )
    return {
        **besides,
        SERVER: order.server,
        KEY: order.key,
        LAUNCH: order.id,
        ARGUMENTS: json.dumps(arguments(order)),
    }
