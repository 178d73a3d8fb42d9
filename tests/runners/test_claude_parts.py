"""The parts of the `claude` executor that need no model."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from buildd.agent.process import MARK
from buildd.ids import Kind, new_id
from buildd_runners.claude.transcript import Transcript
from buildd_runners.cut import cut, cut_json
from tests.runners.studio import marked

ASKED = {"role": "user", "content": "do it"}
CALL = {"type": "tool_use", "id": "t1", "name": "bash", "input": {"command": "ls"}}
CALLED = {"role": "assistant", "content": [{"type": "text", "text": "\u2028 so"}, CALL]}


def test_a_transcript_comes_back_word_for_word(tmp_path: Path) -> None:
    before = Transcript.load(tmp_path, "m")
    before.append(ASKED)
    before.append(CALLED)
    after = Transcript.load(tmp_path, "m")
    assert after.messages == [ASKED, CALLED]
    assert after.unanswered == ["t1"]
    after.append({"role": "user", "content": []})
    assert Transcript.load(tmp_path, "m").unanswered == []


def test_a_transcript_of_another_model_is_not_used(tmp_path: Path) -> None:
    Transcript.load(tmp_path, "m").append(ASKED)
    assert Transcript.load(tmp_path, "n").messages == []
    assert Transcript.load(tmp_path, "m").messages == []


def test_a_line_that_a_killed_agent_did_not_finish_is_dropped(tmp_path: Path) -> None:
    Transcript.load(tmp_path, "m").append(ASKED)
    [file] = tmp_path.glob("*.jsonl")
    with file.open("a") as writing:
        writing.write(json.dumps(CALLED)[:-5])
    again = Transcript.load(tmp_path, "m")
    assert again.messages == [ASKED]
    again.append(CALLED)
    assert Transcript.load(tmp_path, "m").messages == [ASKED, CALLED]


def test_long_text_keeps_its_beginning_and_its_end() -> None:
    assert cut("abc", 3) == "abc"
    shown = cut("a" * 1000 + "z" * 1000, 100)
    assert shown.startswith("a" * 50)
    assert shown.endswith("z" * 50)
    assert "1900 characters left out" in shown


def test_json_becomes_what_a_database_takes() -> None:
    deep: Any = "end"
    for _ in range(100):
        deep = [deep]
    odd = {"a\0": "b\0", "s": "\ud800", "n": float("nan"), "i": 2**70, "deep": deep, "t": "x" * 99}
    fit = cut_json({**odd, "plain": [1, 2.5, True, None]}, 50)
    assert isinstance(fit, dict)
    assert fit["a\N{REPLACEMENT CHARACTER}"] == "b\N{REPLACEMENT CHARACTER}"
    assert (fit["s"], fit["n"], fit["i"]) == ("?", "nan", str(2**70))
    assert fit["plain"] == [1, 2.5, True, None]
    assert "49 characters left out" in str(fit["t"])
    assert json.dumps(fit["deep"]).partition('"')[0].count("[") < 20


def in_a_shell(place: Path, use: Callable[[Any], Awaitable[None]], mark: str | None = None) -> None:
    async def run() -> None:
        from buildd_runners.claude.shell import Shell

        # Another test at the same moment must not have the same: its sweep would end this shell.
        environment = {"PATH": os.environ["PATH"], MARK: mark or new_id(Kind.WORKER)}
        shell = Shell(place, environment)
        try:
            await use(shell)
        finally:
            await shell.close()

    anyio.run(run)


def test_a_shell_remembers_where_it_is_and_tells_how_a_command_failed(tmp_path: Path) -> None:
    from anthropic.lib.tools import ToolError

    async def use(shell: Any) -> None:
        assert await shell.run("mkdir sub && cd sub && export A=1") == "(no output)"
        assert await shell.run("echo $A; pwd; cat") == f"1\n{tmp_path / 'sub'}"
        with pytest.raises(ToolError, match=r"oh no\n\(exit code 3\)"):
            await shell.run("echo oh no >&2; (exit 3)")
        assert "68000 characters left out" in await shell.run(
            "head -c 100000 /dev/zero | tr '\\0' x"
        )

    in_a_shell(tmp_path, use)


def test_a_shell_that_ended_is_followed_by_a_new_one(tmp_path: Path) -> None:
    from anthropic.lib.tools import ToolError

    async def use(shell: Any) -> None:
        for ending in ("echo bye; exit 1", "kill -9 $$"):
            with pytest.raises(ToolError, match="the shell ended; the next command gets a new one"):
                await shell.run(ending)
            assert await shell.run("echo here") == "here"

    in_a_shell(tmp_path, use)


@pytest.mark.parametrize("ends", ["timeout", "close", "cancel"])
def test_what_a_command_started_ends_with_it(ends: str, tmp_path: Path) -> None:
    from anthropic.lib.tools import ToolError

    mark = new_id(Kind.WORKER)
    daemon = (
        "setsid sh -c 'sleep 600 & touch there; wait' & until test -e there; do sleep 0.05; done"
    )

    async def use(shell: Any) -> None:
        if ends == "timeout":
            with pytest.raises(ToolError, match="timed out"):
                await shell.run(f"{daemon}; sleep 600", 1)
            assert not marked(mark)
        elif ends == "cancel":
            async with anyio.create_task_group() as group:
                group.start_soon(shell.run, f"{daemon}; touch asleep; sleep 600")
                while not (tmp_path / "asleep").exists():  # noqa: ASYNC110 - it is a file
                    await anyio.sleep(0.02)
                group.cancel_scope.cancel()
        else:
            await shell.run(daemon)
            assert marked(mark)

    in_a_shell(tmp_path, use, mark)
    assert not marked(mark)
