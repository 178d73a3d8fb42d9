"""Reports in batches: what each of them ought to be answered, as if it had come alone."""

from __future__ import annotations

from typing import Any

from buildd import operations as ops
from buildd.errors import BuilddError
from buildd.models import Reported
from buildd.operations import Operation
from tests.model.words import HANDLERS, Caller, RefusalError, Words, accepted, agree, does

VERBS: dict[type[Operation[Any]], str] = {
    ops.StartWorker: "start",
    ops.Heartbeat: "heartbeat",
    ops.CompleteWorker: "complete",
    ops.FailWorker: "fail",
}
"""What a report is called in a batch."""
ALONE = {verb: operation for operation, verb in VERBS.items()}


class ReportSpec(Words):
    """Many attempts in one request, each under its own token."""

    @does(ops.ReportWorkers)
    def report_workers(self, op: ops.ReportWorkers, caller: Caller, got: Any) -> None:
        for report, answer in zip(op.reports, accepted(got), strict=True):
            agree(answer.id, report.id)
            try:
                self._report(report, caller, answer)
            except RefusalError as refused:
                agree(answer.error and answer.error.code, refused.code)
                if refused.reason is not None:
                    agree(answer.error and answer.error.reason, refused.reason)
            else:
                agree(answer.error, None)

    def _report(self, report: Any, caller: Caller, answer: Reported) -> None:
        holder = self.holders[report.token]
        mine = caller.viewer in {None, holder.account}
        if not mine or holder.worker not in self.world.workers:
            raise RefusalError("not_authenticated")
        given = report.model_fields_set - {"verb", "token"}
        alone = ALONE[report.verb](**{name: getattr(report, name) for name in given})
        got = answer.beat or answer.worker or BuilddError(str(answer.error))
        HANDLERS[type(alone)](self, alone, holder, got)
