"""What a key may be limited to. Its holder's kind and grants bound it further."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """One thing that a key is good for."""

    READ = "read"
    """Look at things, and listen to events."""
    CREATE = "create"
    """Put tasks in, and steer them: change, cancel, answer, comment."""
    CLAIM = "claim"
    """Take up tasks and report on them: what an agent needs."""
    ADMIN = "admin"
    """Administer: accounts, keys, workspaces, pools. Administrators' keys only."""


ALL: frozenset[Scope] = frozenset(Scope)
OF_ACCOUNTS: tuple[Scope, ...] = (Scope.READ, Scope.CREATE, Scope.CLAIM)
"""What the key of an account can have."""
