"""The log: one line for each request, in which nobody can write a line, and no secret stands."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from buildd.errors import ConfigError
from buildd_server.dashboard import ASSETS
from buildd_server.logs import set_up
from buildd_server.settings import LogFormat, Settings
from buildd_server.watching import Exchange
from tests.patience import PATIENCE
from tests.server.serving import made

ADMIN_KEY = "an-administrator's key, 42"
TOKEN = "a1b2c3d4e5f6g7h8"  # noqa: S105
PASSWORD = "p@ss word 123"  # noqa: S105
FORGED = "x\r\n2026-01-31T08:00:00Z ERROR buildd.server: forged\x1b[31m\x9b2J\u2028\u202e"
DATABASE = "postgresql://buildd:p%40ss%20word%20123@db.example.com/buildd"
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]")


@pytest.fixture
def log() -> Iterator[Callable[..., tuple[io.StringIO, Callable[[Exchange], None]]]]:
    """Takes logging over, as a server does for its process, until the test is over."""
    root, hook = logging.getLogger(), threading.excepthook
    before, level = root.handlers[:], root.level

    def take(form: LogFormat, **environ: str) -> tuple[io.StringIO, Callable[[Exchange], None]]:
        stream = io.StringIO()
        settings = Settings(
            database=DATABASE, admin_key=ADMIN_KEY, log_format=form, environ=environ
        )
        return stream, set_up(settings, stream)

    yield take
    root.handlers[:], threading.excepthook = before, hook
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def exchange(path: str, **scope: Any) -> Exchange:
    return Exchange(
        {"type": "http", "method": "GET", "raw_path": path.encode("latin-1"), **scope}, 404
    )


def all_that_is_logged(taken: tuple[io.StringIO, Callable[[Exchange], None]], text: str) -> str:
    """Log a text in every way there is."""
    stream, write = taken
    here = logging.getLogger("buildd.feed")
    here.warning("could not read: %s", text)
    logging.getLogger("somebody.elses").error("%s", text)
    try:
        json.loads(text)
    except ValueError as problem:
        problem.add_note(text)
        here.exception("it failed")
    warnings.warn(text, stacklevel=1)
    write(exchange(text.encode("ascii", "replace").decode()[:150]))

    def die() -> None:
        raise RuntimeError(text)

    thread = threading.Thread(target=die, name="a-thread")
    thread.start()
    thread.join()
    return stream.getvalue()


@pytest.mark.filterwarnings("default")
def test_nothing_that_is_logged_can_pass_for_a_line(log: Any) -> None:
    told = all_that_is_logged(log(LogFormat.TEXT), FORGED)
    lines = told.splitlines()
    assert [line for line in lines if "forged" in line]
    for line in lines:
        assert re.match(r"2\d{3}-\S+Z [A-Z]+ \S+: |    ", line), line
        assert not re.match(r"2026-01-31T08:00:00Z ERROR", line)
    assert not CONTROLS.search(told)


@pytest.mark.filterwarnings("default")
def test_each_line_of_json_is_one_object(log: Any) -> None:
    told = all_that_is_logged(log(LogFormat.JSON), FORGED)
    assert told.isascii()
    objects = [json.loads(line) for line in told.split("\n")[:-1]]
    assert len(objects) == 6
    assert all({"time", "level", "logger", "message"} <= {*each} for each in objects)
    loggers = ["buildd.feed", "somebody.elses", "buildd.feed", "py.warnings"]
    assert [each["logger"] for each in objects] == [*loggers, "buildd.access", "buildd.server"]
    assert sum("exception" in each for each in objects) == 2


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("form", [*LogFormat])
@pytest.mark.parametrize(
    "secret", [ADMIN_KEY, TOKEN, PASSWORD, "p%40ss%20word%20123", f"buildd_{'a1B2' * 9}"]
)
def test_no_secret_is_logged(log: Any, form: LogFormat, secret: str) -> None:
    told = all_that_is_logged(log(form, SOME_TOKEN=TOKEN), f"it said {secret} and left")
    assert secret not in told
    assert told.count("[redacted]") >= 5


def test_a_log_that_nobody_reads_stops_nothing(log: Any) -> None:
    stream, write = log(LogFormat.JSON)
    stream.close()
    write(exchange("/"))


def test_who_looks_on_is_told_what_goes_wrong_and_no_more(log: Any) -> None:
    stream, _ = log(LogFormat.TEXT)
    logging.getLogger("somebody.elses").info("chatter")
    logging.getLogger("buildd.dispatch").info("started")
    logging.getLogger("buildd.dispatch").debug("details")
    assert stream.getvalue().endswith(" INFO buildd.dispatch: started\n")
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize("name", ["BUILDD_LOG_LEVEL", "BUILDD_LOG_FORMAT"])
def test_a_setting_that_is_none_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Settings.of({name: "loud"}, host="127.0.0.1", port=0, database="sqlite:///buildd.db")


def test_a_server_writes_one_line_for_each_request(tmp_path: Path) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("BUILDD_", "DATABASE_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "buildd_server", "--port", "0"],
        cwd=tmp_path,
        env={**environ, "PYTHONPATH": os.pathsep.join(sys.path), "BUILDD_ADMIN_KEY": ADMIN_KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        url = next(word for word in process.stdout.readline().split() if "://" in word)
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        with httpx2.Client(base_url=url, headers=headers, trust_env=False) as client:
            account = made(client, "/api/accounts", type="user", name="Max")
            for probe in ("/health", "/ready", "/metrics", f"{ASSETS}x/app/main.js"):
                assert client.get(probe).status_code in {200, 404}
            theirs = {"authorization": f"Bearer {account['apiKey']}", "x-request-id": "the-1"}
            client.get("/api/accounts/me?limit=hunter2", headers=theirs)
            client.get(f"/api/tasks/task_{account['apiKey']}%0A%1b[31m", headers={"x-a": "hunter2"})
            client.post("/api/tasks", json={"title": "hunter2"}, headers={"authorization": "x"})
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    lines = [json.loads(line) for line in err.splitlines()]
    assert [(each["method"], each["route"], each["status"]) for each in lines] == [
        ("POST", "/api/accounts", 201),
        ("GET", "/api/accounts/me", 422),
        ("GET", "none", 404),
        ("POST", "none", 401),
    ]
    assert {each["logger"] for each in lines} == {"buildd.access"}
    assert {each["address"] for each in lines} == {"127.0.0.1"}
    assert [each.get("caller") for each in lines] == ["admin", "account", None, None]
    assert lines[1]["account"] == account["id"]
    assert lines[1]["key"].startswith("key_")
    assert lines[1]["requestId"] == "the-1"
    assert all(each["ms"] > 0 and each["bytes"] > 0 and each["requestId"] for each in lines)
    assert "hunter2" not in err
    assert account["apiKey"] not in err
    assert lines[2]["path"] == "/api/tasks/task_[redacted]%0A%1b[31m"
