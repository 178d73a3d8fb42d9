"""Nobody but the agent learns its key; and what is wrong is told in one line, before anything starts."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Iterable

import pytest

from buildd.errors import BuilddError, ConfigError
from buildd.testing.runners.stage import OVER, Stage, StageSuite, one_line
from buildd.testing.runners.world import Trouble


class PrivacySuite(StageSuite):
    """The key, and where it must not be."""

    async def test_the_key_is_nowhere_to_be_read(
        self, stage: Stage, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not in arguments, environments, logs, URLs or names, nor in what the runner hands out."""
        caplog.set_level(logging.DEBUG)
        order, ref = await stage.running()
        seen: list[object] = [order, ref, stage.runner, await stage.runner.observe(ref)]
        seen += await stage.runner.list_owned()
        _holds_no_key(stage, stage.world.public())
        await stage.runner.extend(ref, 60)
        await stage.runner.stop(ref, 0)
        seen.append(await stage.until(ref, *OVER))
        _holds_no_key(stage, [*map(repr, seen), *map(str, seen), *stage.world.public()])
        _holds_no_key(stage, _logged(caplog))

    @pytest.mark.parametrize("trouble", sorted(Trouble))
    async def test_no_trouble_makes_the_runner_tell_it(
        self, stage: Stage, caplog: pytest.LogCaptureFixture, trouble: Trouble
    ) -> None:
        """Errors are kept and shown with what was said, and what they were raised from is logged."""
        caplog.set_level(logging.DEBUG)
        stage.world.befall(trouble)
        try:
            await stage.runner.ensure(stage.order())
        except BuilddError as problem:
            said = [repr(problem), repr(problem.details), one_line(problem)]
            _holds_no_key(stage, [*said, *traceback.format_exception(problem)])
        _holds_no_key(stage, [*_logged(caplog), *stage.world.public()])


class CheckSuite(StageSuite):
    """`check`: what people are told before anything starts."""

    async def test_a_runner_that_can_start_something_is_fine(self, stage: Stage) -> None:
        """Also when it is asked again."""
        await stage.runner.check()
        await stage.runner.check()
        assert await stage.runner.list_owned() == []

    async def test_it_serves_some_type_of_account(self, stage: Stage) -> None:
        """Else no pool could ever use it."""
        assert stage.runner.serves

    async def test_a_wrong_configuration_is_told_in_one_line(self, stage: Stage) -> None:
        """When the runner is made, or when it is asked."""
        with pytest.raises(ConfigError) as wrong:
            await stage.world.misconfigured().check()
        one_line(wrong.value)

    async def test_out_of_reach_is_told_in_one_line(self, stage: Stage) -> None:
        """It may be the address that is wrong."""
        with stage.cut_off():
            with pytest.raises(BuilddError) as away:
                await stage.runner.check()
            one_line(away.value)


def _logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, with the tracebacks, and the arguments that a handler might show."""
    return [caplog.text, *(repr(record.args) for record in caplog.records)]


def _holds_no_key(stage: Stage, texts: Iterable[str]) -> None:
    key = stage.key.encode()
    forms = [stage.key, base64.b64encode(key).decode().rstrip("="), key.hex()]
    for text in texts:
        for form in forms:
            assert form not in text, "the key can be read"
