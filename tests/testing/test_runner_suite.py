"""The suite for runners can fail: each of these has one fault, and the test that is named finds it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_pages import ROOT, blocks

FAULTS = {
    "test_the_same_order_again_is_the_same_agent": """
    async def ensure(self, order):
        self.made = getattr(self, "made", 0) + 1
        ref = await super().ensure(replace(order, id=f"{order.id}-{self.made}"))
        return replace(ref, order_id=order.id)
""",
    "test_a_new_runner_knows_what_the_last_one_started": """
    async def ensure(self, order):
        self.suffix = getattr(self, "suffix", f"{next(NUMBERS)}")
        ref = await super().ensure(replace(order, id=f"{order.id}-{self.suffix}"))
        return replace(ref, order_id=order.id)
""",
    "test_two_orders_are_two_agents": """
    async def ensure(self, order):
        return replace(await super().ensure(replace(order, id=order.id[:24])), order_id=order.id)
""",
    "test_an_agent_that_ended_is_not_started_again": """
    async def ensure(self, order):
        ref = await super().ensure(order)
        self._call("list")[ref.external_id]["state"] = "lived in"
        return ref
""",
    "test_after_trouble_the_next_call_finds_the_agent_or_starts_it": """
    async def ensure(self, order):
        name = f"buildd-{order.id}"
        self._village.call("build", name, BUILDD_API_KEY=order.key)
        return ExternalRef("village", order.id, name)
""",
    "test_what_nobody_wrote_down_is_found_and_stopped": """
    async def ensure(self, order):
        ref = await super().ensure(order)
        WRITTEN_DOWN.add(ref)
        return ref

    async def list_owned(self):
        return [ref for ref in await super().list_owned() if ref in WRITTEN_DOWN]
""",
    "test_settings_are_as_private_as_the_key_or_refused": """
    async def ensure(self, order):
        if order.settings:
            raise ConfigError(f"the village takes no {dict(order.settings)}")
        return await super().ensure(order)
""",
    "test_settings_arrive_as_they_are": """
    async def ensure(self, order):
        settings = {name: os.path.expandvars(value) for name, value in order.settings.items()}
        return await super().ensure(replace(order, settings=settings))
""",
    "test_the_agent_finds_its_key": """
    async def ensure(self, order):
        return await super().ensure(replace(order, key=""))
""",
    "test_out_of_reach_it_is_unknown": """
    async def observe(self, ref):
        seen = await super().observe(ref)
        unknown = seen.state is LaunchState.UNKNOWN
        return Observation(LaunchState.GONE) if unknown else seen
""",
    "test_out_of_reach_nothing_else_pretends": """
    async def list_owned(self):
        try:
            return await super().list_owned()
        except Unavailable:
            return []
""",
    "test_it_lists_what_is_its_own": """
    async def list_owned(self):
        return (await super().list_owned())[:2]
""",
    "test_it_lists_nothing_of_others": """
    async def list_owned(self):
        return [ExternalRef("village", name[7:], name) for name in self._call("list")]
""",
    "test_what_never_was_is_gone": """
    async def stop(self, ref, grace):
        if ref.external_id not in self._call("list"):
            raise NotFound
        await super().stop(ref, grace)
""",
    "test_what_somebody_took_away_is_gone": """
    async def observe(self, ref):
        seen = await super().observe(ref)
        return Observation(LaunchState.UNKNOWN) if seen.state is LaunchState.GONE else seen
""",
    "test_stop_can_be_said_again": """
    async def stop(self, ref, grace):
        if ref.external_id in {each.external_id for each in await self.list_owned()}:
            return await super().stop(ref, grace)
        raise NotFound
""",
    "test_what_was_stopped_stays_so": """
    async def stop(self, ref, grace):
        await super().stop(ref, grace)
        self._call("list").pop(ref.external_id, None)
""",
    "test_after_trouble_it_can_be_stopped_again": """
    async def stop(self, ref, grace):
        try:
            await super().stop(ref, grace)
        except Unavailable as problem:
            raise TimeoutError from problem
""",
    "test_to_extend_brings_nothing_back": """
    async def extend(self, ref, seconds):
        self._call("list")[ref.external_id]["state"] = "lived in"
""",
    "test_the_key_is_nowhere_to_be_read": """
    async def ensure(self, order):
        logging.getLogger("village").debug("building for %s", order.key)
        return await super().ensure(order)
""",
    "test_no_trouble_makes_the_runner_tell_it": """
    async def ensure(self, order):
        try:
            return await super().ensure(order)
        except Unavailable:
            raise Unavailable("the village does not answer", sent={"secret": order.key}) from None
""",
    "test_a_wrong_configuration_is_told_in_one_line": """
    async def check(self):
        if self._village is None:
            raise ConfigError("no village\\nTraceback")
        self._call("list")
""",
}
HEAD = """
import logging
import os
from dataclasses import replace
from itertools import count
from buildd.errors import NotFound
NUMBERS = count()
WRITTEN_DOWN = set()
"""


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """Which tests found something, in the class of which fault."""
    good = blocks(ROOT / "docs/how-to/write-a-runner.md", "python")[0]
    parts = [good, HEAD]
    for number, body in enumerate(FAULTS.values()):
        parts.append(
            f"class Runner{number}(VillageRunner):{body}\n"
            f"class World{number}(VillageWorld):\n"
            f"    def runner(self): return Runner{number}(self.village)\n"
            f"    def misconfigured(self): return Runner{number}(None)\n"
            f"class TestFault{number}(RunnerSuite):\n"
            f"    @pytest.fixture\n    def world(self): return World{number}()\n"
        )
    place: Path = tmp_path_factory.mktemp("faults")
    (place / "test_faults.py").write_text("\n".join(parts))
    # Whatever never comes is told at once: what a fault leaves undone stays so.
    patience = "import buildd.testing.runners.stage as stage\nstage.PATIENCE = 0.2\n"
    (place / "conftest.py").write_text(patience)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rf", "--tb=no", "-p", "no:cacheprovider"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert "error" not in done.stdout.splitlines()[-1], done.stdout
    return set(re.findall(r"^FAILED \S+::(\w+)::(\w+)", done.stdout, re.MULTILINE))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(failed: set[tuple[str, str]], name: str) -> None:
    assert (f"TestFault{list(FAULTS).index(name)}", name) in failed


def test_the_runner_without_a_fault_passes(failed: set[tuple[str, str]]) -> None:
    assert "TestVillage" not in {where for where, _ in failed}
