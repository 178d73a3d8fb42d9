"""Who may see which events. An account's sight follows its grants, and ends with its key."""

from __future__ import annotations

from buildd.broker.principals import Principal, PrincipalKind, check_key
from buildd.clock import elapsed
from buildd.events import Event
from buildd.store import Transaction
from buildd.store.sql import accounts as sql


class Audience:
    """What one principal sees of the feed."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.ends: float | None = None
        """When, on this process's own clock, what the principal came with is to be asked again."""
        self._workspaces: frozenset[str] = frozenset()

    def sees(self, event: Event) -> bool:
        """Whether the principal may see the event."""
        match self.principal.kind:
            case PrincipalKind.ADMIN:
                return True
            case PrincipalKind.LEASE:
                return event.worker_id == self.principal.worker_id
            case PrincipalKind.ACCOUNT:
                if event.workspace_id is None:
                    return event.account_id == self.principal.account_id
                return event.workspace_id in self._workspaces
            case _:
                return False

    def refresh(self, tx: Transaction) -> None:
        """Read the grants anew. Raises `NotAuthenticated` if the key no longer stands."""
        expires_at = check_key(tx, self.principal)
        if expires_at is not None:
            self.ends = elapsed() + (expires_at - tx.now).total_seconds()
        if self.principal.kind is not PrincipalKind.ACCOUNT:
            return
        grants = tx.all(sql.GRANTS, account=self.principal.account_id)
        self._workspaces = frozenset(grant.workspace_id for grant in grants)
