"""Reports in batches: one transaction for many attempts, each under its own fence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from buildd import operations as ops
from buildd.broker import workers
from buildd.broker._context import Context, handles
from buildd.broker.principals import Principal, lease_of
from buildd.errors import BuilddError, NotAuthenticated
from buildd.ids import digest
from buildd.models import Beat, Refusal, Reported
from buildd.operations import Operation
from buildd.store import Refused

_VERBS: dict[str, tuple[type[Operation[Any]], Any]] = {
    "start": (ops.StartWorker, workers.start_worker),
    "heartbeat": (ops.Heartbeat, workers.heartbeat),
    "complete": (ops.CompleteWorker, workers.complete_worker),
    "fail": (ops.FailWorker, workers.fail_worker),
}


@handles(ops.ReportWorkers)
def report_workers(ctx: Context, op: ops.ReportWorkers) -> list[Reported]:
    """Each report as if it had come alone; one that is refused takes back its own part only."""
    return [_report(ctx, report) for report in op.reports]


def _report(ctx: Context, report: Any) -> Reported:
    operation, handler = _VERBS[report.verb]
    fields = {name: getattr(report, name) for name in report.model_fields_set - {"token", "verb"}}
    try:
        holder = _holder(ctx, report.token)
        with ctx.tx.savepoint():
            answer = handler(replace(ctx, principal=holder), operation(**fields))
    except BuilddError as error:
        return _refused(report.id, error)
    if isinstance(answer, Refused):
        return _refused(report.id, answer.error)
    if isinstance(answer, Beat):
        return Reported(id=report.id, beat=answer)
    return Reported(id=report.id, worker=answer)


def _holder(ctx: Context, token: str) -> Principal:
    holder = lease_of(ctx.tx, digest(token, ctx.pepper))
    if holder is None or ctx.viewer not in {None, holder.account_id}:
        raise NotAuthenticated("this lease token is unknown")
    return holder


def _refused(worker_id: str, error: BuilddError) -> Reported:
    reason = error.details.get("reason")
    refusal = Refusal(code=error.code, detail=error.message, reason=reason)
    return Reported(id=worker_id, error=refusal)
