"""The secret that GitHub signs a source's deliveries with: derived, so that no database holds it."""

from __future__ import annotations

import hashlib
import hmac
import re

from buildd import operations as ops
from buildd.broker._context import Context, handles
from buildd.errors import Invalid, NotFound, WrongState
from buildd.ids import derived
from buildd.models import SourceSecret
from buildd.models.github import GITHUB
from buildd.store import Row
from buildd.store.sql import github as sql
from buildd.store.sql import workspaces as sql_workspaces

PATH = "/api/webhooks/github/"
_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})")
_NOBODYS = 0
"""A generation that no source has: what is signed with it is refused like everything else."""


@handles(ops.RevealSecret)
def reveal_secret(ctx: Context, op: ops.RevealSecret) -> SourceSecret:
    """Show the secret; or make the next one first, or let go of the one before."""
    if op.rotate and op.end_rotation:
        raise Invalid.field("rotate", "and endRotation exclude each other")
    row = ctx.tx.first(sql_workspaces.LOCK_SOURCE, id=op.id)
    if row is None:
        raise NotFound("there is no such source")
    if row.type != GITHUB:
        raise WrongState(f"a source of the type {row.type} has no webhook")
    if op.rotate or op.end_rotation:
        row = ctx.tx.first(
            sql.CHANGE_SECRET,
            of=op.id,
            secret_generation=row.secret_generation + op.rotate,
            secret_overlap=op.rotate,
            updated_at=ctx.tx.now,
        )
        assert row is not None
    return SourceSecret(
        source_id=op.id,
        payload_url=f"{ctx.public_url}{PATH}{op.id}" if ctx.public_url else None,
        payload_path=f"{PATH}{op.id}",
        secret=_secret(ctx.pepper, op.id, row.secret_generation),
        rotating=row.secret_overlap,
    )


def is_signed(pepper: bytes, source_id: str, source: Row | None, given: str, body: bytes) -> bool:
    """Whether a body was signed with a secret of the source, looked at in the same time for all."""
    known = source is not None and source.type == GITHUB
    newest = source.secret_generation if source is not None and known else _NOBODYS
    overlap = source is not None and source.secret_overlap
    right = [
        hmac.new(_secret(pepper, source_id, each).encode(), body, hashlib.sha256).hexdigest()
        for each in ((newest, newest - 1) if overlap else (newest,))
    ]
    found = _SIGNATURE.fullmatch(given)
    offered = found[1] if found else ""
    fits = [hmac.compare_digest(offered, each) for each in right]
    return known and any(fits)


def _secret(pepper: bytes, source_id: str, generation: int) -> str:
    return derived(f"source:{source_id}:{generation}", pepper).hex()
