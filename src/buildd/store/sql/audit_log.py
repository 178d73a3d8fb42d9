"""The audit log: chained and written with the last statements of a transaction, behind the events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from pydantic.alias_generators import to_camel
from sqlalchemy import bindparam

from buildd.chain import Head, head_of, seal, stamp
from buildd.store.sql._parts import matches, optional
from buildd.store.statement import Statement
from buildd.store.tables import audit_entry, setting

if TYPE_CHECKING:
    from buildd.store.transaction import Transaction

HEAD = "audit_head"
"""The setting that holds the number and the hash of the last entry."""

# Whoever has this row locked commits before the next one can read it, and locks nothing after it: so
# the chain has no fork, and no two writers wait for each other. By itself, because within an UPDATE
# that waits, Postgres would read the last entry as it was before the wait.
LOCK_HEAD = Statement(
    sa.select(setting.c.value).where(setting.c.name == HEAD).with_for_update(key_share=True)
)
INSERT_ENTRY = Statement(sa.insert(audit_entry))
MOVE_HEAD = Statement(sa.update(setting).where(setting.c.name == HEAD), ("value",))

_about = optional("about")
_before = bindparam("before", type_=sa.BigInteger())
# No index but the key: it would be paid for by every call, and an administrator looks seldom.
ENTRIES = Statement(
    sa.select(audit_entry)
    .where(
        audit_entry.c.seq < _before,
        matches(audit_entry.c.action, "action"),
        sa.or_(
            _about.is_(None),
            *(
                audit_entry.c[name] == _about
                for name in ("account_id", "key_id", "session", "worker_id", "launch_id")
            ),
            sa.literal(" ")
            .concat(audit_entry.c.subjects)
            .concat(" ")
            .like(sa.literal("% ").concat(_about).concat(" %")),
        ),
    )
    .order_by(audit_entry.c.seq.desc())
    .limit(bindparam("limit", type_=sa.Integer()))
)


_SHOWN = {column.name: to_camel(column.name) for column in audit_entry.c}


def append_entries(tx: Transaction) -> Callable[[], None]:
    """Ask for the end of the chain; call what comes back to write the transaction's entries there."""
    if not tx.entries:
        return lambda: None
    head = tx.ask(LOCK_HEAD)

    def write() -> None:
        [row] = head()
        chained = list(_chained(tx.entries, head_of(row.value)))
        tx.run_many(INSERT_ENTRY, chained)
        tx.run(MOVE_HEAD, value=str(Head(chained[-1]["seq"], chained[-1]["hash"])))

    return write


def _chained(entries: list[Mapping[str, Any]], head: Head) -> Iterator[Mapping[str, Any]]:
    for entry in entries:
        row = {**entry, "seq": head.seq + 1, "previous": head.hash}
        row["hash"] = seal(_as_shown(row))
        head = Head(row["seq"], row["hash"])
        yield row


def _as_shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """An entry as the API shows it, which is what is sealed."""
    shown = {_SHOWN[name]: value for name, value in row.items()}
    shown["at"], shown["subjects"] = stamp(row["at"]), row["subjects"].split()
    return shown
