"""Where everything is kept: one store, on SQLite or Postgres, through one code path."""

from buildd.store.audit import LOST, Difference, audit
from buildd.store.backup import Taken, backup
from buildd.store.dialects import Database, database_of
from buildd.store.files import blobs_of
from buildd.store.restore import Restored, restore
from buildd.store.schema import upgrade
from buildd.store.statement import Row, Statement
from buildd.store.store import Store
from buildd.store.transaction import Transaction
from buildd.store.writer import Refused

__all__ = [
    "LOST",
    "Database",
    "Difference",
    "Refused",
    "Restored",
    "Row",
    "Statement",
    "Store",
    "Taken",
    "Transaction",
    "audit",
    "backup",
    "blobs_of",
    "database_of",
    "restore",
    "upgrade",
]
