"""Nobody but the agent learns its secrets; and what is wrong is told in one line, before anything starts."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Iterable
from dataclasses import replace

import pytest

from buildd.errors import BuilddError, ConfigError
from buildd.roles import LaunchOrder
from buildd.testing.runners.stage import OVER, Stage, StageSuite, one_line
from buildd.testing.runners.world import Trouble

_AWKWARD = "'\"`$HOME\\n #=\té"


class PrivacySuite(StageSuite):
    """The key and the settings, and where they must not be."""

    async def test_the_key_is_nowhere_to_be_read(
        self, stage: Stage, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not in arguments, environments, logs, URLs or names, nor in what the runner hands out."""
        caplog.set_level(logging.DEBUG)
        await _lead_a_life(stage, stage.order())
        _holds_no_secret(stage, _logged(caplog))

    async def test_settings_are_as_private_as_the_key_or_refused(
        self, stage: Stage, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A runner that cannot hand them over says so, and starts nothing."""
        caplog.set_level(logging.DEBUG)
        order = replace(stage.order(), settings={"ANTHROPIC_API_KEY": stage.setting})
        try:
            await _lead_a_life(stage, order)
        except ConfigError as refused:
            _holds_no_secret(stage, [one_line(refused), *traceback.format_exception(refused)])
            assert stage.world.agents(order.id) == 0
        _holds_no_secret(stage, [*_logged(caplog), *stage.world.public()])

    async def test_settings_arrive_as_they_are(self, stage: Stage) -> None:
        """No shell, no template and no file format on the way changes them."""
        settings = {
            "ANTHROPIC_API_KEY": stage.setting,
            "A_TOOL_S_KEY": f"{stage.setting}{_AWKWARD}",
        }
        order = replace(stage.order(), settings=settings)
        try:
            await stage.running(order)
        except ConfigError:
            pytest.skip("this runner refuses settings, as it may")
        found = stage.world.settings(order.id)
        assert {name: found.get(name) for name in settings} == settings

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
            _holds_no_secret(stage, [*said, *traceback.format_exception(problem)])
        _holds_no_secret(stage, [*_logged(caplog), *stage.world.public()])


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


async def _lead_a_life(stage: Stage, order: LaunchOrder) -> None:
    """Start an agent and end it; nothing that is shown meanwhile may hold a secret."""
    _, ref = await stage.running(order)
    seen: list[object] = [order, ref, stage.runner, await stage.runner.observe(ref)]
    seen += await stage.runner.list_owned()
    _holds_no_secret(stage, stage.world.public())
    await stage.runner.extend(ref, 60)
    await stage.runner.stop(ref, 0)
    seen.append(await stage.until(ref, *OVER))
    _holds_no_secret(stage, [*map(repr, seen), *map(str, seen), *stage.world.public()])


def _holds_no_secret(stage: Stage, texts: Iterable[str]) -> None:
    forms = {
        form: name
        for name, secret in (("the key", stage.key), ("a setting", stage.setting))
        for form in (
            secret,
            base64.b64encode(secret.encode()).decode().rstrip("="),
            secret.encode().hex(),
        )
    }
    for text in texts:
        for form, name in forms.items():
            assert form not in text, f"{name} can be read"
