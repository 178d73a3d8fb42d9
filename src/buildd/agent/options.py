"""How an agent is set up, as one value."""

from __future__ import annotations

import math
import os
import platform
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from buildd.agent.availability import Availability
from buildd.errors import ConfigError


def default_state_dir() -> Path:
    """Where agents of this user keep worktrees and clones: `$XDG_STATE_HOME/buildd`."""
    home = os.environ.get("XDG_STATE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".local" / "state") / "buildd"


def _new_agent_id() -> str:
    return f"{platform.node()[:100] or 'agent'}-{os.getpid()}-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class AgentOptions:
    """What an agent takes, where it works, and how it ends. Raises `ConfigError`."""

    workspace_id: str | None = None
    """The only workspace to take tasks from; None: every one the account may claim in."""
    max_tasks: int = 3
    """How many at once; in a single run, how many in total."""
    single_run: bool = False
    """Take `max_tasks` in total and end; sooner when nothing is claimable and nothing runs.

    Always so for `action` accounts.
    """
    waits: bool = False
    """In a single run: wait for its tasks instead of ending when nothing is claimable."""
    acquires: bool = False
    """The key is an acquisition token: it is good for one claim, whose task it knows, and no more."""
    task_id: str | None = None
    """A task to ask for first."""
    capabilities: Sequence[str] = ()
    """What this agent can do, for tasks that require it."""
    checkout: bool = True
    """Whether attempts get a git worktree of the workspace's repository, or an empty directory."""
    drain_timeout: float = 30.0
    """Seconds that running attempts have to finish when the agent is asked to end."""
    availability: Availability | None = None
    """When it works; None: always. When it ends being available, what runs has `drain_timeout`."""
    state_dir: Path = field(default_factory=default_state_dir)
    """Where worktrees and clones are kept, outside every repository."""
    agent_id: str = field(default_factory=_new_agent_id)
    """Names this agent process."""
    runner: str = "agent"
    """The kind of place it runs in."""
    run_id: str | None = None
    """The GitHub Actions run that it is part of."""

    def __post_init__(self) -> None:
        from buildd.operations.workers import MAX_CLAIM  # heavy, and `default_state_dir` is light

        if not 1 <= self.max_tasks <= MAX_CLAIM:
            raise ConfigError(f"max_tasks must be 1 to {MAX_CLAIM}, not {self.max_tasks}")
        if not 0 <= self.drain_timeout < math.inf:
            raise ConfigError(
                f"drain_timeout must be a number of seconds, 0 or more, not {self.drain_timeout}"
            )
        # What works in a directory of its own must find it, and git knows it by its real path.
        object.__setattr__(self, "state_dir", self.state_dir.resolve())
