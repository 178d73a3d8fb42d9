"""The suite for sources can fail: each of these has one fault, and the test that is named finds it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from buildd.errors import Unavailable
from buildd.roles import SourceItem
from buildd.testing.sources import SourceSuite

NUMBERS = count()
SUITE = SourceSuite()


class Garden:
    """A source without a fault."""

    async def items(self) -> AsyncIterator[SourceItem]:
        yield SourceItem("gate", "Oil the gate")
        yield SourceItem("roof", "Mend the roof")


class Small(Garden):
    async def items(self) -> AsyncIterator[SourceItem]:
        yield SourceItem("gate", "Oil the gate")


class OneIdForAll(Garden):
    async def items(self) -> AsyncIterator[SourceItem]:
        async for item in super().items():
            yield SourceItem("garden", item.title)


class NewIds(Garden):
    async def items(self) -> AsyncIterator[SourceItem]:
        async for item in super().items():
            yield SourceItem(f"{item.external_id}-{next(NUMBERS)}", item.title)


class Untitled(Garden):
    async def items(self) -> AsyncIterator[SourceItem]:
        async for item in super().items():
            yield SourceItem(item.external_id, "")


class Restless(Garden):
    async def items(self) -> AsyncIterator[SourceItem]:
        async for item in super().items():
            yield SourceItem(item.external_id, f"{item.title} ({next(NUMBERS)})")


class Silent(Garden):
    async def items(self) -> AsyncIterator[SourceItem]:
        for each in list[SourceItem]():
            yield each


class Away(Garden):
    async def items(self) -> AsyncIterator[SourceItem]:
        async for item in super().items():
            yield item
            raise Unavailable("the garden is locked")


class Rough(Garden):
    async def items(self) -> AsyncIterator[SourceItem]:
        async for item in super().items():
            yield item
            raise TimeoutError


class TestGarden(SourceSuite):
    @pytest.fixture
    def source(self) -> Garden:
        return Garden()

    @pytest.fixture
    def away(self) -> Garden:
        return Away()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (Small(), "at least two items"),
        (OneIdForAll(), "two items have one id"),
        (NewIds(), "the ids are not what they were"),
    ],
)
def test_ids_that_do_not_tell_items_apart(source: Garden, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        SUITE.test_each_item_has_an_id_of_its_own_which_stays(source)


@pytest.mark.parametrize(
    ("source", "said"),
    [(Untitled(), "title"), (Restless(), "the second sync is not without effect")],
)
def test_items_that_are_no_tasks(source: Garden, said: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=said):
        SUITE.test_each_item_becomes_a_task_once(source, tmp_path)


@pytest.mark.parametrize("away", [Silent(), Rough()])
def test_a_far_end_that_is_away_and_nobody_is_told(away: Garden) -> None:
    with pytest.raises((TimeoutError, pytest.fail.Exception)):
        SUITE.test_a_far_end_that_does_not_answer_is_an_error_in_one_line(away)
