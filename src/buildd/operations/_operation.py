"""What an operation is: a verb with its arguments, the type of its answer, and its place in the API."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from string import Formatter
from types import GenericAlias
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter
from pydantic.alias_generators import to_camel

from buildd.errors import PreconditionFailed
from buildd.models import Model

R = TypeVar("R", covariant=True)


class Access(StrEnum):
    """Which kinds of caller may use a verb at all; grants and ownership are checked after that."""

    ADMIN = "admin"
    """An administrator only."""
    ACCOUNT = "account"
    """An account with its own key; or the acquisition token of a launch, for its one task."""
    ENROLMENT = "enrolment"
    """An enrolment token, once."""
    CLAIMER = "claimer"
    """An account that takes up work or reports on it, or an administrator on its behalf."""
    MEMBER = "member"
    """An administrator, or an account with the grant that the verb needs."""
    READER = "reader"
    """As MEMBER, and a lease token for what belongs to its own attempt."""
    LEASE = "lease"
    """The lease token of the worker in question, and nobody else."""
    MEMBER_OR_LEASE = "member_or_lease"
    """A person, or the worker's own lease token; the verb may mean something else for each."""


class Method(StrEnum):
    """The HTTP methods the API uses."""

    GET = "GET"
    POST = "POST"
    PATCH = "PATCH"
    DELETE = "DELETE"


IDEMPOTENCY_FIELD = "idempotency_key"
MATCH_FIELD = "if_match"


@dataclass(frozen=True)
class Http:
    """Where an operation stands in the HTTP API; `{names}` in the path are fields of it."""

    method: Method
    path: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    """Fields that travel in a header, as pairs of the field's and the header's name."""

    @property
    def path_fields(self) -> tuple[str, ...]:
        """The fields that travel in the path."""
        return tuple(name for _, name, _, _ in Formatter().parse(self.path) if name)


def get(path: str) -> Http:
    """A question: changes nothing, its fields travel in the query."""
    return Http(Method.GET, path)


def post(path: str) -> Http:
    """A verb on something that exists."""
    return Http(Method.POST, path)


def create(path: str, *, idempotent: bool = False) -> Http:
    """A POST that makes something: answers 201. An idempotent one takes an `Idempotency-Key`."""
    headers = ((IDEMPOTENCY_FIELD, "Idempotency-Key"),) if idempotent else ()
    return Http(Method.POST, path, 201, headers)


def patch(path: str) -> Http:
    """A change of the fields that are given; of a `Patch`."""
    return Http(Method.PATCH, path, headers=((MATCH_FIELD, "If-Match"),))


def delete(path: str) -> Http:
    """A removal."""
    return Http(Method.DELETE, path)


class Operation(BaseModel, Generic[R]):
    """A frozen request for one thing to be done. Unknown fields are refused: a typo is an error."""

    model_config = ConfigDict(
        defer_build=True,
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    http: ClassVar[Http]
    access: ClassVar[Access]

    def __class_getitem__(cls, answer: Any) -> Any:
        """Only say what it answers: pydantic would make a class of that, sixty of them in all."""
        return GenericAlias(cls, answer)

    @classmethod
    def answer(cls) -> TypeAdapter[Any]:
        """The type of the answer, ready to validate and to serialise."""
        return _adapter(cls)

    @classmethod
    def reads(cls) -> bool:
        """Whether it changes nothing, so that it need not queue behind the writer."""
        return cls.http.method is Method.GET

    def fields(self) -> dict[str, Any]:
        """Every field by its Python name: what a row is made of."""
        return self.model_dump(by_alias=False)

    def changes(self) -> dict[str, Any]:
        """The fields that were given, apart from those in path and headers: what a PATCH asks for."""
        names = type(self).changeable()
        return {name: getattr(self, name) for name in names if name in self.model_fields_set}

    @classmethod
    def changeable(cls) -> tuple[str, ...]:
        """The fields that travel in the body: of a PATCH, what can be changed."""
        elsewhere = {*cls.http.path_fields, *(name for name, _ in cls.http.headers)}
        return tuple(name for name in cls.model_fields if name not in elsewhere)


class Patch(Operation[R], Generic[R]):
    """A change of a thing, perhaps only if it still is as the caller read it."""

    if_match: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None
    """`etag_of` the thing as you read it: refused if what can be changed was changed since."""

    def check_match(self, current: Model) -> None:
        """Raises `PreconditionFailed` if the thing is not as the caller read it."""
        wanted = self.if_match
        if wanted is None or wanted.strip() == "*":
            return
        if etag(current, self.changeable()) not in {each.strip() for each in wanted.split(",")}:
            raise PreconditionFailed("it was changed since you read it: read it again")


def etag(thing: Model, names: tuple[str, ...]) -> str:
    """A digest of some fields, as it stands in an `ETag` header."""
    fields = thing.model_dump(mode="json", include=set(names), by_alias=False)
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


@cache
def _adapter(operation: type[Operation[Any]]) -> TypeAdapter[Any]:
    return TypeAdapter(answer_of(operation))


def answer_of(operation: type[Operation[Any]]) -> Any:
    """The type that an operation answers."""
    for parent in operation.__mro__:
        for base in getattr(parent, "__orig_bases__", ()):
            if isinstance(base, GenericAlias):
                return base.__args__[0]
    raise TypeError(f"{operation.__name__} does not say what it answers")


class Deleted(Model):
    """The answer to a removal: the thing is gone."""

    id: str
    deleted: bool = True
