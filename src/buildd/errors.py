"""Everything that can go wrong, as one tree; the same class is raised embedded and over HTTP.

    BuilddError
    ├── Invalid                 the request does not have the right shape (names the field)
    │   ├── Malformed           it is not even JSON, or not UTF-8
    │   └── TooLarge            it is bigger than the server takes
    ├── NotAuthenticated        no key, or one that is unknown or revoked
    ├── Forbidden               this kind of caller may never use this verb
    ├── NotFound                no such thing, or none that the caller may see
    ├── Conflict                the request was fine, the state of things was not
    │   ├── WrongState          the verb does not apply to the present status
    │   ├── LeaseLost           the attempt is over; stop and write nothing more
    │   ├── NotClaimable        the named task cannot be claimed now (says why)
    │   ├── AlreadyExists       a unique value is taken
    │   ├── NotConfigured       the server or the workspace is not set up for that
    │   ├── ForgeRefused        GitHub, or another forge, said no (tells its reason)
    │   └── PreconditionFailed  it is not as you last read it: read it again
    ├── RateLimited             too many requests; retry after a while
    ├── Unavailable             the broker could not do it now; nothing is known to be lost
    │   ├── OutcomeUnknown      it may or may not have happened: read before you repeat
    │   └── Unreachable         no server answered at the address
    ├── InternalError           a fault in buildd itself; please report it
    └── ConfigError             a setting or argument is wrong (raised before anything starts)

Each class has a stable ``code``; HTTP statuses live in `buildd.wire` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class BuilddError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    request_id: str | None = None
    """The request that a server refused, as its log names it; None where there was no server."""
    outward: str | None = None
    """What a server tells its callers instead, where the message names what is its own affair."""

    def __init__(self, message: str | None = None, **details: Any) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.details: dict[str, Any] = {k: v for k, v in details.items() if v is not None}
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.details)


def _rebuild(cls: type[BuilddError], message: str, details: Mapping[str, Any]) -> BuilddError:
    return cls(message, **details)


class Invalid(BuilddError):
    """The request does not have the right shape."""

    code = "invalid"

    @property
    def errors(self) -> Sequence[Mapping[str, str]]:
        """One ``{"field", "message"}`` for each thing that is wrong."""
        return tuple(self.details.get("errors", ()))

    @classmethod
    def field(cls, field: str, message: str) -> Invalid:
        """An error about one field, in the words a person can act on."""
        return cls(f"{field}: {message}", errors=[{"field": field, "message": message}])

    def within(self, field: str) -> Invalid:
        """The same about a part of something larger: each field under this one's name."""
        errors = [{**each, "field": f"{field}.{each['field']}"} for each in self.errors]
        said = "; ".join(f"{each['field']}: {each['message']}" for each in errors)
        return Invalid(said or self.message, errors=errors)


class Malformed(Invalid):
    """The body is not valid JSON in UTF-8."""

    code = "malformed"


class TooLarge(Invalid):
    """The request is larger than this server accepts."""

    code = "too_large"


class NotAuthenticated(BuilddError):
    """A valid key is needed."""

    code = "not_authenticated"


class Forbidden(BuilddError):
    """This kind of caller may not do that."""

    code = "forbidden"


class NotFound(BuilddError):
    """There is no such thing, or none that you may see."""

    code = "not_found"


class Conflict(BuilddError):
    """The request does not fit the present state."""

    code = "conflict"


class WrongState(Conflict):
    """That does not apply in the present status."""

    code = "wrong_state"


class LeaseLost(Conflict):
    """This attempt is over: stop, and write nothing more."""

    code = "lease_lost"


class NotClaimable(Conflict):
    """The task cannot be claimed now."""

    code = "not_claimable"


class AlreadyExists(Conflict):
    """That already exists."""

    code = "already_exists"


class NotConfigured(Conflict):
    """The server, or the workspace, is not set up for that."""

    code = "not_configured"


class ForgeRefused(Conflict):
    """The forge did not allow it."""

    code = "forge_refused"


class PreconditionFailed(Conflict):
    """It was changed since you read it."""

    code = "precondition_failed"


class RateLimited(BuilddError):
    """Too many requests."""

    code = "rate_limited"


class Unavailable(BuilddError):
    """The broker cannot do that now."""

    code = "unavailable"


class OutcomeUnknown(Unavailable):
    """The connection broke while committing: read before you repeat."""

    code = "outcome_unknown"


class Unreachable(Unavailable):
    """No server answered."""

    code = "unreachable"


class InternalError(BuilddError):
    """buildd itself failed; please report this."""

    code = "internal"


class ConfigError(BuilddError):
    """A setting is wrong."""

    code = "config"


def _tree(cls: type[BuilddError]) -> list[type[BuilddError]]:
    return [cls, *(leaf for child in cls.__subclasses__() for leaf in _tree(child))]


def by_code(code: str) -> type[BuilddError] | None:
    """The class that carries this code, or None for a code of a newer server."""
    return _BY_CODE.get(code)


_BY_CODE = {cls.code: cls for cls in _tree(BuilddError)}
