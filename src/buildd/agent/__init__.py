"""The agent: claims tasks, has them done, keeps their leases, and reports.

import buildd
from buildd import agent

def handle(session):
    session.say(f"working on {session.task.title}")
    return {"answer": 42}

agent.serve(buildd.connect("http://127.0.0.1:3000", api_key="…"), handle)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildd.agent.availability import Availability, Hours, on_power
    from buildd.agent.function import BlockingSession, Handler, Result, Stopped
    from buildd.agent.handlers import handler
    from buildd.agent.loop import Agent
    from buildd.agent.options import AgentOptions, default_state_dir
    from buildd.agent.serving import serve, serve_async
    from buildd.roles import Completed, Failed, Session

__all__ = [
    "Agent",
    "AgentOptions",
    "Availability",
    "BlockingSession",
    "Completed",
    "Failed",
    "Handler",
    "Hours",
    "Result",
    "Session",
    "Stopped",
    "default_state_dir",
    "handler",
    "on_power",
    "serve",
    "serve_async",
]

_HOME_OF = {
    "Agent": "buildd.agent.loop",
    "AgentOptions": "buildd.agent.options",
    "Availability": "buildd.agent.availability",
    "BlockingSession": "buildd.agent.function",
    "Completed": "buildd.roles",
    "Failed": "buildd.roles",
    "Handler": "buildd.agent.function",
    "Hours": "buildd.agent.availability",
    "Result": "buildd.agent.function",
    "Session": "buildd.roles",
    "Stopped": "buildd.agent.function",
    "default_state_dir": "buildd.agent.options",
    "handler": "buildd.agent.handlers",
    "on_power": "buildd.agent.availability",
    "serve": "buildd.agent.serving",
    "serve_async": "buildd.agent.serving",
}

if not TYPE_CHECKING:  # A checker that saw this would believe in every misspelt name.

    def __getattr__(name: str) -> object:
        """Fetch a name from its home: a process that runs no agent needs only a module or two."""
        if name not in _HOME_OF:
            raise AttributeError(f"module 'buildd.agent' has no attribute {name!r}")
        value = getattr(import_module(_HOME_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
