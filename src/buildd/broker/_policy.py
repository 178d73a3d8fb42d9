"""Which kind of caller may use a verb at all. What it may touch, the scoped queries decide."""

from __future__ import annotations

from typing import Any

from buildd.broker.principals import Principal, PrincipalKind
from buildd.errors import Forbidden, NotFound
from buildd.operations import Access, Operation, Transfer

_ADMIN, _ACCOUNT, _LEASE = PrincipalKind.ADMIN, PrincipalKind.ACCOUNT, PrincipalKind.LEASE
_ACQUIRE, _ENROL = PrincipalKind.ACQUIRE, PrincipalKind.ENROL

ALLOWED: dict[Access, frozenset[PrincipalKind]] = {
    Access.ADMIN: frozenset({_ADMIN}),
    Access.ACCOUNT: frozenset({_ACCOUNT, _ACQUIRE}),
    Access.ENROLMENT: frozenset({_ENROL}),
    Access.MEMBER: frozenset({_ADMIN, _ACCOUNT}),
    Access.READER: frozenset({_ADMIN, _ACCOUNT, _LEASE}),
    Access.LEASE: frozenset({_LEASE}),
    Access.MEMBER_OR_LEASE: frozenset({_ADMIN, _ACCOUNT, _LEASE}),
}

_NEEDS = {
    Access.ADMIN: "an administrator",
    Access.ACCOUNT: "an account with its own key (make one with `buildd accounts create`)",
    Access.ENROLMENT: "an enrolment token (make one with `buildd accounts enrol`)",
    Access.MEMBER: "an account key or an administrator",
    Access.READER: "an account key, an administrator, or a lease token",
    Access.LEASE: "the lease token of the worker",
    Access.MEMBER_OR_LEASE: "an account key, an administrator, or a lease token",
}


def check(operation: Operation[Any] | Transfer, principal: Principal) -> None:
    """Raises `Forbidden` if this kind of caller may never use the verb."""
    if principal.kind not in ALLOWED[operation.access]:
        raise Forbidden(f"this needs {_NEEDS[operation.access]}")


def check_listener(principal: Principal) -> None:
    """Raises `Forbidden` if this kind of caller may not listen to events."""
    if principal.kind in {_ACQUIRE, _ENROL}:
        raise Forbidden(f"this needs {_NEEDS[Access.READER]}")


def own(mine: str | None, asked: str) -> None:
    """What a lease token asks for must be its own attempt's; all else does not exist for it."""
    if mine != asked:
        raise NotFound
