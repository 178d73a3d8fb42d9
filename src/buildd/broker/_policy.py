"""Which kind of caller may use a verb at all, and with which key. What it may touch, the queries decide."""

from __future__ import annotations

from typing import Any

from buildd.broker.principals import Principal, PrincipalKind
from buildd.errors import Forbidden, NotAuthenticated, NotFound
from buildd.events import Filter
from buildd.operations import Access, Method, Operation, Transfer
from buildd.scopes import Scope

_ADMIN, _ACCOUNT, _LEASE = PrincipalKind.ADMIN, PrincipalKind.ACCOUNT, PrincipalKind.LEASE
_ACQUIRE, _ENROL = PrincipalKind.ACQUIRE, PrincipalKind.ENROL

ALLOWED: dict[Access, frozenset[PrincipalKind]] = {
    Access.ADMIN: frozenset({_ADMIN}),
    Access.ACCOUNT: frozenset({_ACCOUNT, _ACQUIRE}),
    Access.ENROLMENT: frozenset({_ENROL}),
    Access.CLAIMER: frozenset({_ADMIN, _ACCOUNT}),
    Access.MEMBER: frozenset({_ADMIN, _ACCOUNT}),
    Access.READER: frozenset({_ADMIN, _ACCOUNT, _LEASE}),
    Access.LEASE: frozenset({_LEASE}),
    Access.MEMBER_OR_LEASE: frozenset({_ADMIN, _ACCOUNT, _LEASE}),
}

_NEEDS = {
    Access.ADMIN: "an administrator",
    Access.ACCOUNT: "an account with its own key (make one with `buildd accounts create`)",
    Access.ENROLMENT: "an enrolment token (make one with `buildd accounts enrol`)",
    Access.CLAIMER: "an account key or an administrator",
    Access.MEMBER: "an account key or an administrator",
    Access.READER: "an account key, an administrator, or a lease token",
    Access.LEASE: "the lease token of the worker",
    Access.MEMBER_OR_LEASE: "an account key, an administrator, or a lease token",
}


Verb = Operation[Any] | Transfer

_CHANGES = {Access.ADMIN: Scope.ADMIN, Access.ACCOUNT: Scope.CLAIM, Access.CLAIMER: Scope.CLAIM}


def scope_of(verb: Verb | type[Verb]) -> Scope | None:
    """What a key must be good for to use a verb; None where any key will do."""
    if verb.http.method is not Method.GET:
        return _CHANGES.get(verb.access, Scope.CREATE)
    return None if verb.access is Access.ACCOUNT else Scope.READ


def check(verb: Verb, principal: Principal) -> None:
    """Raises `Forbidden` if this kind of caller may never use the verb, or not with this key."""
    if principal.kind not in ALLOWED[verb.access]:
        raise Forbidden(f"this needs {_NEEDS[verb.access]}")
    if principal.only is not None:
        raise Forbidden("a ticket opens a stream of events, and nothing else")
    _check_scope(scope_of(verb), principal)


def check_person(principal: Principal) -> None:
    """Raises `Forbidden` for the tokens of what was started."""
    if principal.kind not in ALLOWED[Access.MEMBER]:
        raise Forbidden(f"this needs {_NEEDS[Access.MEMBER]}")


def check_listener(principal: Principal, wanted: Filter) -> None:
    """Whether this kind of caller may listen to these events, with this key or ticket.

    Raises `Forbidden`, and `NotAuthenticated` for a ticket for other events.
    """
    if principal.kind not in ALLOWED[Access.READER]:
        raise Forbidden(f"this needs {_NEEDS[Access.READER]}")
    if principal.only not in {None, wanted}:
        raise NotAuthenticated("this ticket is for a stream of other events")
    _check_scope(Scope.READ, principal)


def _check_scope(needed: Scope | None, principal: Principal) -> None:
    if needed is not None and needed not in principal.scopes:
        has = ", ".join(sorted(principal.scopes))
        raise Forbidden(f"this needs a key with the scope {needed}; this one has: {has}")


def own(mine: str | None, asked: str) -> None:
    """What a lease token asks for must be its own attempt's; all else does not exist for it."""
    if mine != asked:
        raise NotFound
