"""GitHub as a world for runners: the far end of tests/github with the workflow that we ship."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

from buildd.roles import ExternalRef
from buildd.testing.runners import Trouble, World
from buildd_runners.github.actions import NAME, ActionsRunner
from tests.far_end import Answer, Asked
from tests.github.far_end import TOKEN, GitHub
from tests.github.workflows import Actions, WorkflowRun

WORKFLOW = Path(__file__).parents[2] / "examples" / "github" / "buildd.yml"
_LIMIT = "You have exceeded a secondary rate limit."
_INSTEAD = {
    Trouble.BUSY: Answer(403, {"message": _LIMIT}, {"Retry-After": "7"}),
    Trouble.REFUSED: Answer(403, {"message": "Resource not accessible by personal access token"}),
}


class ActionsWorld(World, AbstractContextManager["ActionsWorld"]):
    """One repository, `acme/shop`."""

    def __init__(self, remotes: Path, event: str = "workflow_dispatch") -> None:
        (remotes / "acme" / "shop.git").mkdir(parents=True)
        self.github = GitHub(remotes)
        self.actions = self.github.actions = Actions(
            url=f"{self.github.api}/repos/acme/shop",
            page=f"{self.github.url}/acme/shop",
            text=WORKFLOW.read_text(),
        )
        self.config: dict[str, Any] = {
            "repository": "acme/shop",
            "event": event,
            "token": TOKEN,
            "api": self.github.api,
        }
        self._trouble: Trouble | None = None
        self._away = False
        self._closing = threading.Event()
        self.github.delivery = self._deliver

    def __enter__(self) -> Self:
        self.github.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self.github.__exit__()

    def runner(self) -> ActionsRunner:
        return ActionsRunner.from_config(self.config)

    def misconfigured(self) -> ActionsRunner:
        return ActionsRunner.from_config({**self.config, "workflow": "other.yml"})

    def runs(self, order_id: str) -> list[WorkflowRun]:
        return self.actions.named(f"buildd/{order_id}")

    def agents(self, order_id: str) -> int:
        return sum(run.live for run in self.runs(order_id))

    def never(self) -> ExternalRef:
        return ExternalRef(NAME, "lch_never", "8000000000")

    def public(self) -> Iterable[str]:
        for asked in self.github.asked:
            yield f"{asked.method} {asked.path} {asked.query} {json.dumps(asked.body)}"
        for run in self.actions.runs.values():
            yield f"{run.title} {run.payload}"

    def befall(self, trouble: Trouble) -> None:
        self._trouble = trouble

    def cut_off(self) -> None:
        self._away = True

    def reconnect(self) -> None:
        self._away = False

    def hold(self) -> None:
        self.actions.held = True

    def release(self) -> None:
        self.actions.held = False
        for run in list(self.actions.runs.values()):
            if run.status == "queued":
                self.actions.begin(run)

    def end(self, order_id: str, exit_code: int) -> None:
        [run] = self.runs(order_id)
        self.actions.end(run, "failure" if exit_code else "success")

    def vanish(self, order_id: str) -> None:
        for run in self.runs(order_id):
            del self.actions.runs[run.id]

    def foreign(self) -> None:
        self.actions.add("workflow_dispatch", {})
        self.actions.add("workflow_dispatch", {"launch": "staging/lch_1"})
        self.actions.add("repository_dispatch", {"task_id": "task_1"})
        self.actions.add("push", {}).title = "buildd/lch_1"

    def defy(self) -> None:
        self.actions.defiant = True

    def drained(self, order_id: str) -> bool:
        return any(run.drained for run in self.runs(order_id))

    def _deliver(self, asked: Asked, do: Callable[[], Answer]) -> Answer | None:
        if self._away:
            return None
        if asked.method != "POST":
            return do()
        trouble, self._trouble = self._trouble, None
        if trouble is Trouble.CALL_LOST:
            return None
        if trouble in _INSTEAD:
            return _INSTEAD[trouble]
        answer = do()
        if trouble is Trouble.TWICE:
            return do()
        if trouble is Trouble.LATE:
            self._closing.wait(30)
        return None if trouble is Trouble.ANSWER_LOST else answer
