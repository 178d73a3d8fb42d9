"""What the state of a workspace says about the agent of buildd in it.

Coder tells how the last build went and how far its own agent has come. Only what certainly has
ended is called so: an agent of Coder's that has lost its connection may well be at work.
"""

from __future__ import annotations

from buildd.roles import LaunchState, Observation
from buildd_runners.coder.answers import Agent, Build

START = "start"

_PENDING, _RUNNING = LaunchState.PENDING, LaunchState.RUNNING
_EXITED, _GONE, _UNKNOWN = LaunchState.EXITED, LaunchState.GONE, LaunchState.UNKNOWN

_TO_START = {
    "pending": _PENDING,
    "starting": _PENDING,
    "canceling": _PENDING,
    "canceled": _EXITED,
    "failed": _EXITED,
}
# One that could not be stopped may have been stopped by half.
_TO_END = {
    "pending": _RUNNING,
    "stopping": _RUNNING,
    "deleting": _RUNNING,
    "canceling": _RUNNING,
    "stopped": _EXITED,
    "deleted": _GONE,
    "canceled": _UNKNOWN,
    "failed": _UNKNOWN,
}
# A start-up script that takes longer than its template allows may yet come to its end.
_LIFE = {
    "created": _PENDING,
    "starting": _PENDING,
    "start_timeout": _PENDING,
    "start_error": _EXITED,
    "ready": _RUNNING,
    "shutting_down": _RUNNING,
    "shutdown_timeout": _RUNNING,
    "shutdown_error": _RUNNING,
    "off": _EXITED,
}
_SPEAKS_FIRST = (_EXITED, _UNKNOWN, _PENDING, _RUNNING)
"""Of several agents, the one in the first of these states speaks for the workspace."""


def of(build: Build) -> Observation:
    """How the launch is, going by the latest build of its workspace."""
    if build.status == "running":
        return _of_agents(build.agents)
    states = _TO_START if build.transition == START else _TO_END
    said = f"the workspace is {build.status}; its last build was to {build.transition} it"
    return Observation(states.get(build.status, _UNKNOWN), said)


def ended(build: Build, transition: str) -> bool:
    """Whether the workspace has come to the end that this transition leads to."""
    return build.status == "deleted" or (build.status == "stopped" and transition == "stop")


def _of_agents(agents: list[Agent]) -> Observation:
    if not agents:
        return Observation(_EXITED, "the template has no coder_agent that could start anything")
    seen = [Observation(_of_agent(each), f"Coder's agent is {_words(each)}") for each in agents]
    return min(seen, key=lambda each: _SPEAKS_FIRST.index(each.state))


def _of_agent(agent: Agent) -> LaunchState:
    if agent.lifecycle_state == "off":
        return _EXITED
    if agent.status == "connecting":
        return _PENDING
    if agent.status != "connected":
        return _UNKNOWN
    return _LIFE.get(agent.lifecycle_state, _UNKNOWN)


def _words(agent: Agent) -> str:
    return ", ".join(filter(None, (agent.status, agent.lifecycle_state)))
