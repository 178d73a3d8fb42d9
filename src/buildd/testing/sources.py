"""What every source does, as tests to inherit: its author gives one that holds something.

from buildd.testing.sources import SourceSuite

class TestMySource(SourceSuite):
    @pytest.fixture
    def source(self) -> MySource:
        return MySource(...)
"""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from buildd.client import connect_async
from buildd.errors import BuilddError
from buildd.models import Task
from buildd.plugins.sources import Synced, sync
from buildd.roles import Source, SourceItem


def items_of(source: Source) -> list[SourceItem]:
    """Everything that the source holds now."""

    async def listed() -> list[SourceItem]:
        return [item async for item in source.items()]

    return anyio.run(listed)


class SourceSuite:
    """Provide the fixture `source`, with at least two items in it, and if you can `away`."""

    @pytest.fixture
    def source(self) -> Source:
        """A source that holds something. It must be written."""
        raise NotImplementedError

    @pytest.fixture
    def away(self) -> Source:
        """A source whose far end does not answer, or takes no such credentials."""
        pytest.skip("there is no fixture `away`")

    def test_each_item_has_an_id_of_its_own_which_stays(self, source: Source) -> None:
        """The id is what keeps an item from a second task."""
        ids = [item.external_id for item in items_of(source)]
        assert len(ids) > 1, "give the suite a source with at least two items"
        assert len(set(ids)) == len(ids), f"two items have one id: {ids}"
        again = [item.external_id for item in items_of(source)]
        assert again == ids, f"the ids are not what they were: {again}, before {ids}"

    def test_each_item_becomes_a_task_once(self, source: Source, tmp_path: Path) -> None:
        """The broker takes all of them, and a second sync finds nothing to do."""
        wanted = {item.external_id for item in items_of(source) if not item.over}
        [first, again], tasks = anyio.run(_synced_twice, source, tmp_path)
        assert not first.wrong, first.wrong
        assert first.created == len(wanted), f"not every item became a task: {first}"
        done = again.created + again.updated + again.cancelled
        assert done == 0, f"the second sync is not without effect: {again}"
        assert {task.external_id for task in tasks} == wanted, "the tasks are not the items"

    def test_a_far_end_that_does_not_answer_is_an_error_in_one_line(self, away: Source) -> None:
        """Not another library's exception, and never an empty list."""
        with pytest.raises(BuilddError) as failed:
            items_of(away)
        assert len(str(failed.value).splitlines()) == 1, str(failed.value)


async def _synced_twice(source: Source, place: Path) -> tuple[list[Synced], list[Task]]:
    async with connect_async(f"sqlite:///{place}/suite.db") as client:
        workspace = await client.workspaces.create(name="suite")
        row = await client.sources.create(workspace_id=workspace.id, type="suite", name="suite")
        done = [await sync(client, row, source) for _ in range(2)]
        return done, await client.tasks.list(source_id=row.id, limit=200)
