"""Who may see which events. An account's sight follows its grants, and ends with its key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from buildd.broker.principals import Principal, PrincipalKind, check_key
from buildd.clock import elapsed
from buildd.events import Event, EventType
from buildd.store import Transaction
from buildd.store.sql import accounts as sql


@dataclass(frozen=True)
class Sight:
    """What decides which events somebody may see: who has an equal one sees the same."""

    kind: PrincipalKind
    who: str | None = None
    """The account, or the attempt."""
    workspaces: frozenset[str] = frozenset()

    def includes(self, event: Event) -> bool:
        """Whether the event may be seen (a `reset` always may)."""
        if event.type is EventType.RESET:
            return True
        match self.kind:
            case PrincipalKind.ADMIN:
                return True
            case PrincipalKind.LEASE:
                return event.worker_id == self.who
            case PrincipalKind.ACCOUNT:
                if event.workspace_id is None:
                    return event.account_id == self.who
                return event.workspace_id in self.workspaces
            case _:
                return False


class Audience:
    """What one principal sees of the feed."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.ends: float | None = None
        """When, on this process's own clock, what the principal came with is to be asked again."""
        attempt = principal.kind is PrincipalKind.LEASE
        self._who = principal.worker_id if attempt else principal.account_id
        self.sight = Sight(principal.kind, self._who)
        self.heed: Callable[[], None] = lambda: None
        """Called when it sees something else than before."""

    def refresh(self, tx: Transaction) -> None:
        """Read the grants anew. Raises `NotAuthenticated` if the key no longer stands."""
        expires_at = check_key(tx, self.principal)
        if expires_at is not None:
            self.ends = elapsed() + (expires_at - tx.now).total_seconds()
        if self.principal.kind is not PrincipalKind.ACCOUNT:
            return
        grants = tx.all(sql.GRANTS, account=self.principal.account_id)
        workspaces = frozenset(grant.workspace_id for grant in grants)
        if workspaces != self.sight.workspaces:
            self.sight = Sight(self.principal.kind, self._who, workspaces)
            self.heed()
