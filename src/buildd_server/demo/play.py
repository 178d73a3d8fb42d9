"""What the demo plays: a workspace, two accounts, six tasks, and the state that survives a kill."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from buildd.client import Client
from buildd.errors import ConfigError
from buildd.routing import AccountType
from buildd_server.demo import coder, shop
from buildd_server.demo.processes import Part, program

LEASE_SECONDS = 6
"""Short, so that the work of a killed agent is soon somebody else's."""

AGENTS = {
    "laptop": (AccountType.USER, "Max's laptop", ("printer",)),
    "vm": (AccountType.SERVICE, "prod-worker", ()),
}


@dataclass
class Play:
    """What has to be remembered to go on after a kill. `keys` are secrets: the file is private."""

    workspace_id: str = ""
    task_ids: list[str] = field(default_factory=list)
    accounts: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    ready: bool = False
    over: bool = False


class Stage:
    """The demo's directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.shop = directory / "shop"
        self.database = directory / "buildd.db"
        self._file = directory / "demo.json"
        self.play = Play()

    def set_up(self) -> bool:
        """Get the directory ready; True if a demo that was interrupted goes on there.

        Raises `ConfigError` for a directory that holds something else.
        """
        self.play = self._read()
        if self.play.ready and not self.play.over:
            return True
        self._clear()
        self.play = Play()
        self.save()
        shop.create(self.shop)
        return False

    def save(self) -> None:
        """Write down how far it has come, in one step."""
        fresh = self._file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(asdict(self.play)))
        fresh.replace(self._file)

    def write(self, client: Client) -> None:
        """Make the workspace, the accounts with their grants, and the tasks."""
        play = self.play
        play.workspace_id = client.workspaces.create(name="shop", local_path=str(self.shop)).id
        for agent, (kind, name, _) in AGENTS.items():
            account = client.accounts.create(type=kind, name=name)
            client.accounts.grant(account_id=account.id, workspace_id=play.workspace_id)
            play.accounts[account.id] = name
            play.keys[agent] = account.api_key
        for job in shop.JOBS:
            task = client.tasks.create(
                workspace_id=play.workspace_id,
                title=job.title,
                description=job.description,
                runner_preference=job.route,
                required_capabilities=list(job.capabilities),
                priority=job.priority,
            )
            play.task_ids.append(task.id)
        play.ready = True
        self.save()

    def server(self, port: int) -> Part:
        """The server's process."""
        database = f"sqlite:///{self.database}"
        return Part(
            "server",
            [program("buildd"), "server", "--port", str(port), "--database", database],
            {"BUILDD_LEASE_TTL": str(LEASE_SECONDS), "BUILDD_LOG_FORMAT": "text"},
        )

    def agents(self, url: str) -> list[Part]:
        """The agents' processes, one task at a time each."""
        return [self._agent(name, url) for name in AGENTS]

    def _agent(self, name: str, url: str) -> Part:
        command = [
            program("buildd-agent"),
            "--workspace",
            self.play.workspace_id,
            "--max-tasks",
            "1",
        ]
        command += [
            "--executor",
            "command",
            "--command",
            shlex.join([sys.executable, coder.__file__]),
        ]
        command += ["--state-dir", str(self.directory / "worktrees"), "--drain-timeout", "1"]
        for capability in AGENTS[name][2]:
            command += ["--capability", capability]
        return Part(
            f"agent-{name}",
            command,
            {"BUILDD_SERVER": url, "BUILDD_API_KEY": self.play.keys[name]},
        )

    def _read(self) -> Play:
        try:
            return Play(**json.loads(self._file.read_text()))
        except FileNotFoundError:
            return Play()
        except (ValueError, TypeError):
            raise ConfigError(f"{self._file} is damaged: remove {self.directory}") from None

    def _clear(self) -> None:
        """Make the directory, or empty it if a demo filled it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if any(self.directory.iterdir()) and not self._file.exists():
            raise ConfigError(f"--dir: {self.directory} holds something that is not a demo's")
        for path in self.directory.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path != self._file:
                path.unlink()
