"""Reports in batches: one transaction for many attempts, each under its own fence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from buildd import operations as ops
from buildd.broker._context import Context, handles
from buildd.broker.auditing import perform
from buildd.broker.principals import Principal, leaseholder
from buildd.errors import BuilddError, NotAuthenticated
from buildd.ids import digest
from buildd.models import Beat, Refusal, Reported
from buildd.operations import Operation
from buildd.store import Refused, Row
from buildd.store.sql import accounts as sql

_VERBS: dict[str, type[Operation[Any]]] = {
    "start": ops.StartWorker,
    "heartbeat": ops.Heartbeat,
    "complete": ops.CompleteWorker,
    "fail": ops.FailWorker,
}


@handles(ops.ReportWorkers)
def report_workers(ctx: Context, op: ops.ReportWorkers) -> list[Reported]:
    """Each report as if it had come alone; one that is refused takes back its own part only."""
    leases = [
        ctx.tx.ask(sql.LEASE_BY_DIGEST, digest=digest(report.token, ctx.pepper))
        for report in op.reports
    ]
    return [_report(ctx, report, lease()) for report, lease in zip(op.reports, leases, strict=True)]


def _report(ctx: Context, report: Any, lease: list[Row]) -> Reported:
    fields = {name: getattr(report, name) for name in report.model_fields_set - {"token", "verb"}}
    operation = _VERBS[report.verb](**fields)
    try:
        holder = _holder(ctx, lease)
        with ctx.tx.savepoint():
            answer = perform(replace(ctx, principal=holder), operation)
    except BuilddError as error:
        return _refused(report.id, error)
    if isinstance(answer, Refused):
        return _refused(report.id, answer.error)
    if isinstance(answer, Beat):
        return Reported(id=report.id, beat=answer)
    return Reported(id=report.id, worker=answer)


def _holder(ctx: Context, lease: list[Row]) -> Principal:
    for holder in map(leaseholder, lease):
        if ctx.viewer in {None, holder.account_id}:
            return holder
    raise NotAuthenticated("this lease token is unknown")


def _refused(worker_id: str, error: BuilddError) -> Reported:
    reason = error.details.get("reason")
    refusal = Refusal(code=error.code, detail=error.message, reason=reason)
    return Reported(id=worker_id, error=refusal)
