"""What each operation ought to answer and to change, told on the model of `world`.

A handler first says how the operation is refused, if it is, and only then looks at the broker's
answer, for what it cannot know: ids, and how long chance lets a task wait.
"""

from __future__ import annotations

from typing import Any

from buildd.operations import Access, Operation
from tests.model.attempts import AttemptSpec
from tests.model.claims import ClaimSpec
from tests.model.owners import OwnerSpec
from tests.model.reports import ReportSpec
from tests.model.tasks import TaskSpec
from tests.model.words import ACCOUNT, ADMIN, HANDLERS, LEASE, Caller, RefusalError

CALLERS = {
    Access.ADMIN: {ADMIN},
    Access.ACCOUNT: {ACCOUNT},
    Access.CLAIMER: {ADMIN, ACCOUNT},
    Access.MEMBER: {ADMIN, ACCOUNT},
    Access.READER: {ADMIN, ACCOUNT, LEASE},
    Access.LEASE: {LEASE},
    Access.MEMBER_OR_LEASE: {ADMIN, ACCOUNT, LEASE},
}


class Spec(OwnerSpec, TaskSpec, ClaimSpec, AttemptSpec, ReportSpec):
    """The operations, on a world."""

    def do(self, op: Operation[Any], caller: Caller, got: Any) -> None:
        """Say what the operation answers, and do it. Raises `RefusalError`."""
        if caller.viewer is not None and self.world.accounts[caller.viewer].deleted:
            raise RefusalError("not_authenticated")
        if caller.kind not in CALLERS[op.access]:
            raise RefusalError("forbidden")
        HANDLERS[type(op)](self, op, caller, got)
