"""Puts a text wherever the dashboard shows what somebody else wrote: each into a world of its own."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from buildd.client import Client
from buildd.ids import Kind, new_id
from buildd.models import ArtifactType, Claimed, QuestionType, Role, Task
from buildd.models.records import Selection
from buildd.routing import AccountType, Trust
from tests.browser.texts import Text

LONGEST_NAME, LONGEST_TITLE, LONGEST_CAPABILITY = 200, 500, 100
MUCH_LATER = "2100-01-01 00:00:00.000000"
"""Nobody is there to keep the attempts alive while they are looked at."""
PNG = b"\x89PNG\r\n\x1a\n"
DIFF = """diff --git a/{name} b/{name}
--- a/{name}
+++ b/{name}
@@ -1,3 +1,3 @@ {line}
 {line}
-{line} before
+{line} after
 end
"""
FILED = {
    "task": ("error", "external_url"),
    "worker": ("name", "branch", "runner", "agent_id", "error_code"),
    "hook": ("last_error",),
    "pool": ("last_error",),
    "schedule": ("last_error",),
    "launch": ("external_id", "url", "detail"),
}
"""Columns that no request fills with just any text: others' programs do, or the server itself."""


@dataclass
class World:
    """Where one text was put."""

    text: Text
    workspace: str = ""
    task: str = ""
    """Worked on, with all that an attempt leaves."""
    over: str = ""
    """Ended, with a result or an error."""


@dataclass
class Planter:
    """Fills a server, and counts what went where."""

    bd: Client
    database: Path
    places: Counter[str] = field(default_factory=Counter)

    def plant(self, text: Text) -> World:
        """A workspace of its own for a text, and that text everywhere in it."""
        world = World(text)
        words, name = text.words, self._name(text)
        workspace = self.bd.workspaces.create(name=name, local_path=words, memory={words: [words]})
        world.workspace = workspace.id
        account = self.bd.accounts.create(
            type=AccountType.USER, name=name, github_id=name, max_concurrent_workers=9
        )
        self.bd.accounts.grant(account_id=account.id, workspace_id=workspace.id, can_create=True)
        self.bd.accounts.create_key(account_id=account.id, name=name)
        self.bd.accounts.create_admin_key(name=name)
        agent = self.bd.with_key(account.api_key)
        waits = self._task(world, trust=Trust.PUBLIC)
        self._around(world, account.id, waits)
        world.task = self._task(world).id
        self._attempt(world, agent)
        world.over = self._task(world).id
        self._ended(world, agent)
        self._count(words)
        return world

    def _count(self, words: str) -> None:
        for place in ("texts", "messages", "artifacts", "comments", "questions"):
            self.places[place] += 1
        self.places["names"] += len(words) <= LONGEST_NAME
        self.places["titles"] += len(words) <= LONGEST_TITLE
        self.places["capabilities"] += len(words) <= LONGEST_CAPABILITY

    @staticmethod
    def _name(text: Text) -> str:
        """The text, or where it is too long for a name its beginning, which runs nothing."""
        return text.words[:LONGEST_NAME]

    def _task(self, world: World, trust: Trust = Trust.INTERNAL) -> Task:
        words = world.text.words
        fits = [words] if len(words) <= LONGEST_CAPABILITY else []
        return self.bd.tasks.create(
            workspace_id=world.workspace,
            title=words[:LONGEST_TITLE],
            description=words,
            context={words: {"deep": [words]}},
            external_id=words[:LONGEST_TITLE],
            external_url=world.text.address,
            required_capabilities=fits,
            trust=trust,
            max_cost=Decimal(5),
        )

    def _around(self, world: World, account: str, task: Task) -> None:
        """What an administrator sees beside tasks."""
        words, name = world.text.words, self._name(world.text)
        self.bd.sources.create(
            workspace_id=world.workspace, type="manual", name=name, config={"repo": words}
        )
        schedule = self.bd.schedules.create(
            workspace_id=world.workspace,
            name=name,
            cron="@daily",
            task={"title": words[:LONGEST_TITLE], "description": words},
        )
        pool = self.bd.pools.create(
            name=name,
            account_id=account,
            runner=name,
            config={"command": words, words: 1},
            arguments=[words],
            enabled=False,
        )
        hook = self.bd.hooks.create(
            url=f"https://hooks.example.com/{world.text.number}", workspace_id=world.workspace
        )
        self._file("hook", hook.id, words)
        self._file("pool", pool.id, words)
        self._file("schedule", schedule.id, words)
        self._launch(world, pool.id, task.id)

    def _launch(self, world: World, pool: str, task: str) -> None:
        launch = new_id(Kind.LAUNCH)
        with closing(sqlite3.connect(self.database, timeout=60)) as db, db:
            db.execute(
                "INSERT INTO launch (id, pool_id, account_id, workspace_id, task_id, status, calls,"
                " turn, starts_by, created_at, updated_at) SELECT ?, id, account_id, ?, ?, 'running',"
                " 0, 0, created_at, created_at, created_at FROM pool WHERE id = ?",
                (launch, world.workspace, task, pool),
            )
        self._file("launch", launch, world.text.words, url=world.text.address)

    def _attempt(self, world: World, agent: Client) -> None:
        """An agent which says, makes and asks it."""
        claimed, lease = self._claim(world, agent, world.task)
        words, address = world.text.words, world.text.address
        message = lease.messages.create(worker_id=claimed.id, role=Role.ASSISTANT, content=words)
        lease.messages.create(worker_id=claimed.id, role=Role.SYSTEM, content=words)
        for name in (self._name(world.text), "Bash"):
            lease.messages.create(
                worker_id=claimed.id,
                role=Role.TOOL,
                content=words,
                tool_name=name,
                tool_input={"command": words, words: words},
                tool_output=words,
            )
        self.bd.messages.create(worker_id=claimed.id, content=words)
        filename = _printable(words)
        lease.messages.attach(
            words.encode(), message_id=message.id, filename=filename, mime_type="text/plain"
        )
        self._artifacts(claimed.id, lease, words, address)
        lease.workers.heartbeat(id=claimed.id, status="running", cost_usd=Decimal("0.5"), turns=2)
        lease.workers.ask(
            id=claimed.id, type=QuestionType.QUESTION, prompt=words, options=[words, words, address]
        )
        self._file("worker", claimed.id, self._name(world.text), lease_expires_at=MUCH_LATER)

    def _artifacts(self, worker: str, lease: Client, words: str, address: str) -> None:
        line = " ".join(words.splitlines())
        texts = dict.fromkeys(ArtifactType, words) | {
            ArtifactType.DIFF: DIFF.format(name=line, line=line),
            ArtifactType.LINK: address,
            ArtifactType.PULL_REQUEST: address,
        }
        for kind, content in texts.items():
            made = lease.artifacts.create(
                worker_id=worker,
                type=kind,
                title=words[:LONGEST_TITLE],
                content=content,
                metadata={words: words, "url": address, "number": words, "branch": words},
            )
            self.bd.comments.create(
                artifact_id=made.id,
                content=words,
                selection=Selection(start=0, end=min(9, len(content)), text=words),
            )
        filename = _printable(words)
        for mime_type, kind in (
            ("text/html", ArtifactType.FILE),
            ("image/svg+xml", ArtifactType.SCREENSHOT),
            ("image/png", ArtifactType.SCREENSHOT),
            ("text/plain", ArtifactType.FILE),
            ("text/x-diff", ArtifactType.DIFF),
        ):
            begins = PNG if mime_type == "image/png" else b""
            lease.artifacts.upload(
                begins + words.encode(),
                worker_id=worker,
                type=kind,
                filename=filename,
                mime_type=mime_type,
            )

    def _ended(self, world: World, agent: Client) -> None:
        words = world.text.words
        claimed, lease = self._claim(world, agent, world.over)
        if world.text.number % 2:
            lease.workers.complete(id=claimed.id, result={"summary": words, words: words})
        else:
            lease.workers.fail(
                id=claimed.id, error=words, error_code=self._name(world.text), retryable=False
            )
        self._file("task", world.over, words, external_url=words)
        self._file("worker", claimed.id, self._name(world.text))

    def _claim(self, world: World, agent: Client, task: str) -> tuple[Claimed, Client]:
        name = self._name(world.text)
        [claimed] = agent.workers.claim(
            task_id=task,
            capabilities=self.bd.tasks.get(id=task).required_capabilities,
            agent_id=name,
            runner=name,
            run_id=name,
        ).workers
        lease = self.bd.with_key(claimed.lease.token)
        lease.workers.start(id=claimed.id)
        lease.workers.heartbeat(id=claimed.id, status="running", session_id=world.text.words)
        return claimed, lease

    def _file(self, table: str, key: str, words: str, **instead: str) -> None:
        """Write it into the database itself."""
        values = dict.fromkeys(FILED[table], words) | instead
        names = ", ".join(f"{each} = ?" for each in values)
        with closing(sqlite3.connect(self.database, timeout=60)) as db, db:
            update = f"UPDATE {table} SET {names} WHERE id = ?"  # noqa: S608 - our own names
            db.execute(update, (*values.values(), key))


def _printable(words: str) -> str:
    """A name of a file, which has no control characters."""
    kept = "".join(each for each in words if each.isprintable() or ord(each) > 0x9F)
    return f"{kept[: LONGEST_NAME - 4]}.txt"
