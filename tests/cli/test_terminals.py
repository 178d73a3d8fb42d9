"""What strangers wrote cannot steer a reader's terminal, whatever command shows it (S10)."""

from __future__ import annotations

import json
import re
import sys

import pytest

import buildd
from tests.cli.conftest import Here
from tests.files.conftest import Crew, crew_of

ORDERS = [
    "\x1b[2J",  # clear the screen
    "\x1b[31m",
    "\x1b[6n",  # ask where the cursor is: the answer is typed for the reader
    "\x1b[5i",  # print
    "\x1b]0;owned\x07",  # the window's title
    "\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07",
    "\x1b]8;;file:///etc/passwd\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;cm0gLXJmIH4=\x07",  # the clipboard
    "\x1b]50;#$(id)\x07",
    "\x1b]1337;File=inline=1:AAAA\x07",
    "\x1bP+q544e\x1b\\",  # asks for a termcap entry
    "\x1bPq#0;2;0;0;0~~\x1b\\",  # a picture
    "\x1bc",  # reset
    "\x1b#8",
    "\x1b[?1049h",
    "\x1b[20t\x1b[21t",
    "\x9b31m",
    "\x9d0;owned\x9c",
    "\x90q\x9c",
    "\x08\x08\x08",
    "\r overwritten",
    "\x07\x0e\x0f\x7f",
    "\x85\x8d\x84",
    "\u202e gnp.exe",
    "\u2066 \u2069",
    "a\u2028b\u2029c",
    "a\x0bb\x0cc",
]
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""All but the end of a line."""


@pytest.fixture
def crew(sqlite_url: str) -> Crew:
    """An attempt that has put orders into whatever it could."""
    text = " ".join(ORDERS)
    name = "".join(each for each in text if each.isprintable() or ord(each) > 0x9F)[:200]
    with buildd.connect(sqlite_url) as owner:
        crew = crew_of(owner)
        lease = crew.lease
        owner.tasks.create(
            workspace_id=crew.workspace.id, title=text, description=text, context={text: text}
        )
        lease.messages.create(worker_id=crew.id, content=text)
        lease.artifacts.create(
            worker_id=crew.id, type="summary", title=text, content=text, metadata={text: text}
        )
        lease.artifacts.upload(text.encode(), worker_id=crew.id, filename=name, title=text)
        lease.workers.heartbeat(id=crew.id, status="running", session_id=text)
        lease.workers.ask(id=crew.id, type="question", prompt=text, options=[text])
        return crew


def test_no_command_shows_an_order(here: Here, crew: Crew, sqlite_url: str) -> None:
    here.monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    here.monkeypatch.setenv("TERM", "dumb")  # else colours of ours are orders, too
    task, workspace = crew.claimed.task.id, ("--workspace", crew.workspace.id)
    with buildd.connect(sqlite_url) as owner:
        other = next(each.id for each in owner.tasks.list() if each.id != task)
        made = owner.artifacts.list(worker_id=crew.id)
    commands = [
        ("tasks", "list", *workspace),
        ("tasks", "show", other),
        ("tasks", "why", other),
        ("tasks", "artifacts", task),
        ("tasks", "messages", task),
        ("workers", "list", *workspace),
        ("workers", "show", crew.id),
        *(("artifacts", "download", each.id, "-") for each in made),
    ]
    for command in commands:
        for more in ([], ["--json"]) if command[0] != "artifacts" else ([],):
            code, out, err = here(*command, *more)
            assert code == 0, (command, err)
            assert out, command
            assert not STEERING.search(out + err), (command, more, STEERING.search(out + err))
            if more:
                json.loads(out)
