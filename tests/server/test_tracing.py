"""Traces: one from a task's creation to its end, across processes; and nothing where nobody asks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import buildd
from buildd.tracing import headers, span, understood
from tests.agent.office import git
from tests.patience import PATIENCE
from tests.server.serving import made

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ADMIN_KEY = "an-administrator's key, 42"
TITLE, PROMPT = "The title of the task", "hunter2 is what the prompt says"


@dataclass
class Seen:
    """One span as it came to the far end."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    facts: dict[str, Any]


class Collector:
    """The far end: takes what an OTLP exporter sends."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        received = self.raw

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                received.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def spans(self) -> list[Seen]:
        return [
            Seen(
                service=_facts(group.resource.attributes)["service.name"],
                name=each.name,
                trace=each.trace_id.hex(),
                id=each.span_id.hex(),
                parent=each.parent_span_id.hex(),
                facts=_facts(each.attributes),
            )
            for body in self.raw
            for group in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in group.scope_spans
            for each in scope.spans
        ]


def _facts(attributes: Any) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in attributes
    }


@pytest.fixture
def collector() -> Iterator[Collector]:
    far_end = Collector()
    yield far_end
    far_end.close()


def environ(collector: Collector, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BUILDD_", "DATABASE_"))}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "NO_PROXY": "127.0.0.1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        **more,
    }


def test_a_task_is_one_trace_from_its_creation_to_its_end(
    collector: Collector, tmp_path: Path
) -> None:
    repository = tmp_path / "shop"
    repository.mkdir()
    git(repository, "init", "-q")
    git(repository, "commit", "-q", "--allow-empty", "-m", "begin")
    with ExitStack() as held:
        server = held.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "buildd_server", "--port", "0"],
                cwd=tmp_path,
                env=environ(collector, BUILDD_ADMIN_KEY=ADMIN_KEY),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        held.callback(server.kill)
        assert server.stdout is not None
        url = next(word for word in server.stdout.readline().split() if "://" in word)
        caller = {
            "authorization": f"Bearer {ADMIN_KEY}",
            "traceparent": f"00-{TRACE}-{CALLER}-01",
        }
        with httpx2.Client(base_url=url, headers=caller, trust_env=False) as admin:
            where = made(admin, "/api/workspaces", name="shop", localPath=str(repository))["id"]
            account = made(admin, "/api/accounts", type="user", name="Max")
            made(admin, f"/api/accounts/{account['id']}/workspaces", workspaceId=where)
            task = made(admin, "/api/tasks", workspaceId=where, title=TITLE, description=PROMPT)
            argv = [sys.executable, "-m", "buildd.cli.agent", "--once", "--max-tasks=1"]
            agent = subprocess.run(
                [*argv, f"--state-dir={tmp_path}/state", "--command=sleep 0.1; echo done"],
                cwd=tmp_path,
                env=environ(collector, BUILDD_SERVER=url, BUILDD_API_KEY=account["apiKey"]),
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            assert agent.returncode == 0, agent.stderr
            assert admin.get(f"/api/tasks/{task['id']}").json()["status"] == "completed"
        server.send_signal(signal.SIGTERM)
        _, err = server.communicate(timeout=PATIENCE)
        assert server.returncode == 0, err
    assert_one_trace(collector, task)
    sent = b"".join(collector.raw)
    for text in (TITLE, PROMPT, "hunter2", ADMIN_KEY, account["apiKey"], "buildd_lease_"):
        assert text.encode() not in sent


def assert_one_trace(collector: Collector, task: dict[str, Any]) -> None:
    ours = [each for each in collector.spans() if each.trace == TRACE]
    by_id = {each.id: each for each in ours}
    [request] = [each for each in ours if each.name == "POST /api/tasks"]
    [create] = [each for each in ours if each.name == "CreateTask"]
    [claim] = [each for each in ours if each.name == "claim"]
    [attempt] = [each for each in ours if each.name == "attempt"]
    assert request.parent == CALLER
    assert create.parent == request.id
    assert {claim.parent, attempt.parent} == {create.id}
    assert task["traceparent"] == f"00-{TRACE}-{create.id}-01"
    assert create.facts["buildd.result"] == claim.facts["buildd.task"] == task["id"]
    assert claim.facts["buildd.worker"] == attempt.facts["buildd.worker"]
    assert {request.service, claim.service} == {"buildd-server"}
    assert attempt.service == "buildd-agent"
    below = {each.name for each in ours if each.service == "buildd-agent"}
    assert below == {"attempt", "prepare", "execute", "report"}
    [done] = [each for each in ours if each.name == "CompleteWorker"]
    path = [done.name]
    while (done := by_id.get(done.parent, done)).name != path[-1]:
        path.append(done.name)
    assert path == [
        "CompleteWorker",
        "POST /api/workers/{id}/complete",
        "report",
        "attempt",
        "CreateTask",
        "POST /api/tasks",
    ]
    names = {each.name for each in collector.spans()}
    assert not {name for name in names if "heartbeat" in name.lower() or "events" in name}


def test_where_nobody_asks_nothing_is_loaded_and_nothing_said() -> None:
    program = (
        "import sys\n"
        "from buildd import tracing\n"
        "to = {'OTEL_EXPORTER_OTLP_ENDPOINT': 'http://127.0.0.1:1', 'OTEL_SDK_DISABLED': 'true'}\n"
        "for environ in ({}, {'OTEL_SERVICE_NAME': 'x'}, to):\n"
        "    tracing.set_up('x', environ)()\n"
        "sys.exit(str([name for name in sys.modules if 'otel' in name or 'opentel' in name]))\n"
    )
    assert told_by(program) == "[]\n"
    sources = Path(buildd.__file__).parents[1]
    knowing = {
        path.name: re.findall(r"import opentelemetry|from opentelemetry|buildd\.otel", text)
        for path in sources.rglob("*.py")
        if "opentel" in (text := path.read_text()) or "otel" in text
    }
    assert {name for name, found in knowing.items() if found} == {"otel.py", "tracing.py"}
    with span("nothing", parent=f"00-{TRACE}-{CALLER}-01") as drawn:
        drawn.tell(task="task_1")
        assert drawn.traceparent is None
        assert headers() == {}


def test_without_the_extra_it_is_said_once_and_all_goes_on() -> None:
    program = (
        "import sys; sys.modules['opentelemetry.sdk'] = None\n"
        "from buildd import tracing\n"
        "tracing.set_up('x', {'OTEL_EXPORTER_OTLP_ENDPOINT': 'http://127.0.0.1:1'})()\n"
        "with tracing.span('x'): pass\n"
    )
    assert told_by(program) == "no traces are sent: pip install 'buildd[otel]'\n"


def told_by(program: str) -> str:
    """What a fresh interpreter says on standard error."""
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **paths},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stderr


@pytest.mark.parametrize(
    "word",
    [
        None,
        "",
        "hello",
        f"00-{'0' * 32}-{CALLER}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{CALLER}-01-more",
        f"00-{TRACE}-{CALLER}-01\n",
        f"ff-{TRACE}-{CALLER}-01",
    ],
)
def test_what_is_no_traceparent_is_not_kept(word: str | None) -> None:
    assert understood(word) is None
