"""What a thing is known by as it was read: nobody's change is overwritten unseen."""

from __future__ import annotations

from functools import cache
from typing import Any

from buildd.models import Model
from buildd.operations._operation import Patch, answer_of, etag


def etag_of(thing: Model) -> str | None:
    """The tag to give as `if_match` to the update of a thing, the same as its `ETag` over HTTP.

    It stands for what an update can change, so that nothing else that happens disturbs it. None for
    what has no update.
    """
    patch = _patch_of(type(thing))
    return None if patch is None else etag(thing, patch.changeable())


def tagged(kind: Any) -> bool:
    """Whether things of a type have a tag."""
    return isinstance(kind, type) and issubclass(kind, Model) and _patch_of(kind) is not None


@cache
def _patch_of(kind: type[Model]) -> type[Patch[Any]] | None:
    from buildd.operations import OPERATIONS

    patches = {answer_of(each): each for each in OPERATIONS if issubclass(each, Patch)}
    return next((patches[each] for each in kind.__mro__ if each in patches), None)
