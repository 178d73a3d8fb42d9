"""A machine of GitHub Actions: runs the agent's step of a workflow as real processes.

It gives the step what GitHub gives: its `env` with secrets and variables filled in, the event in a
file, and, if the job may have one, the address where it gets a token that says which run it is.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.github.issuer import Issuer
from tests.github.workflows import WorkflowRun
from tests.runners.actions_world import ActionsWorld

_EXPRESSION = re.compile(r"\$\{\{ ([\w.-]+) \}\}")
JOB_TOKEN = "ghs_what_a_job_may_push_with"  # noqa: S105 - opens nothing


@dataclass
class Machine:
    """Takes each run of a world's workflow as it comes."""

    world: ActionsWorld
    directory: Path
    known: dict[str, str] = field(default_factory=dict)
    """What expressions stand for: `secrets.NAME`, `vars.NAME`."""
    issuer: Issuer | None = None
    extra: dict[str, str] = field(default_factory=dict)
    """What the test adds to the step's environment."""
    logs: list[Path] = field(default_factory=list)
    _ends: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.world.actions.started = self.begin

    def begin(self, run: WorkflowRun) -> None:
        job = yaml.safe_load(self.world.actions.text)["jobs"]["work"]
        [*_, step] = job["steps"]
        log = self.directory / f"{run.id}.log"
        self.logs.append(log)
        with log.open("wb") as said:
            process = subprocess.Popen(
                ["bash", "-e", "-c", step["run"]],
                cwd=self.directory,
                env=self._environment(run, job, step),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        ends = threading.Thread(target=self._end, args=[run, process])
        self._ends.append(ends)
        ends.start()

    def wait(self) -> None:
        """Until every run so far has ended."""
        for thread in self._ends:
            thread.join(60)
            assert not thread.is_alive()

    def said(self) -> str:
        """The logs of all runs."""
        return "".join(log.read_text() for log in self.logs)

    def _end(self, run: WorkflowRun, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        if run.live:
            self.world.actions.end(run, "failure" if code else "success")

    def _environment(
        self, run: WorkflowRun, job: Mapping[str, Any], step: Mapping[str, Any]
    ) -> dict[str, str]:
        place = "inputs" if run.event == "workflow_dispatch" else "client_payload"
        event = self.directory / f"{run.id}.json"
        event.write_text(json.dumps({place: run.payload}))
        known = {**self.known, "github.token": JOB_TOKEN}
        variables = {
            name: _EXPRESSION.sub(lambda found: known.get(found[1], ""), value)
            for name, value in step["env"].items()
        }
        identity: dict[str, str] = {}
        if self.issuer and job.get("permissions", {}).get("id-token") == "write":
            identity = self.issuer.environment(run.id, event_name=run.event)
        return {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.directory),
            "GITHUB_ACTIONS": "true",
            "GITHUB_RUN_ID": str(run.id),
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_SERVER_URL": "https://github.com",
            "RUNNER_TEMP": str(self.directory),
            **identity,
            **variables,
            **self.extra,
        }
