"""The `claude` executor on real worktrees, with a model that says what a test wants."""

from __future__ import annotations

import os
import re
import runpy
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from buildd.errors import ConfigError
from buildd.models import Role
from buildd.states import ErrorCode, TaskStatus, WorkerStatus
from buildd.testing.messages import FakeModel, Fault, Gate, ModelRequest, Reply, ToolUse, Usage
from tests.agent.office import Office, git
from tests.patience import PATIENCE, until
from tests.runners.studio import KEY, Studio, bash, marked

DONE = Reply("Done.")
NO_WAIT = 0.001


def outcome(office: Office, *script: Reply | Fault, **task: Any) -> tuple[Any, Studio]:
    """The attempt at a task with that script."""
    with FakeModel(script) as model:
        studio = Studio(office, model)
        return studio.work(office.task(**task)), studio


def status(office: Office) -> list[WorkerStatus]:
    return [worker.status for worker in office.owner.workers.list()]


def test_a_turn_becomes_messages_a_bill_and_a_summary(office: Office) -> None:
    usage = Usage(input_tokens=1000, output_tokens=500, cache_read_input_tokens=20_000)
    worker, studio = outcome(
        office,
        Reply("I look.", [bash("cat README.md"), bash("(exit 7)")], thinking="Hm.", usage=usage),
        Reply(tools=[ToolUse("report", {"status": "half of it", "progress": 40})]),
        Reply("All is well.", usage=Usage(0, 0)),
    )
    assert worker.status is WorkerStatus.COMPLETED
    assert worker.turns == 3
    assert worker.cost_usd == Decimal("0.018") + Decimal("0.0008")
    told = [(each.role.value, each.tool_name, each.content) for each in studio.messages(worker)]
    assert told == [
        ("assistant", None, "Hm."),
        ("assistant", None, "I look."),
        ("assistant", "bash", "bash cat README.md"),
        ("assistant", "bash", "bash (exit 7)"),
        ("tool", "bash", "done"),
        ("tool", "bash", "failed"),
        ("assistant", None, "half of it"),
        ("assistant", None, "All is well."),
    ]
    call, result = (studio.messages(worker)[place] for place in (2, 4))
    assert call.tool_input == {"command": "cat README.md"}
    assert result.tool_output == "a shop\n".strip()
    assert office.artifacts(worker)["summary"].content == "All is well."


def test_rules_tools_and_conversation_are_cached_and_trimmed(office: Office) -> None:
    _, studio = outcome(office, Reply(tools=[bash("true")]), DONE, description="with care")
    first, second = (each.body for each in studio.model.requests)
    assert first["system"][-1]["cache_control"] == first["cache_control"] == {"type": "ephemeral"}
    edits = [each["type"] for each in first["context_management"]["edits"]]
    assert edits == ["clear_tool_uses_20250919", "compact_20260112"]
    assert "thread" not in first
    for same in ("system", "tools", "model", "cache_control", "context_management", "thinking"):
        assert first[same] == second[same]
    assert second["messages"][: len(first["messages"])] == first["messages"]
    assert "with care" in studio.model.requests[0].prompt


def test_an_older_model_is_asked_for_nothing_it_does_not_know(office: Office) -> None:
    with FakeModel([DONE]) as model:
        studio = Studio(office, model, {"model": "claude-haiku-4-5-20251001"})
        assert studio.work(office.task()).status is WorkerStatus.COMPLETED
    [request] = model.requests
    assert "thinking" not in request.body
    assert "compact" not in request.headers["anthropic-beta"]


def test_refusals_and_overload_are_waited_out(office: Office) -> None:
    faults = [Fault(status, retry_after=NO_WAIT) for status in (429, 529, 500)]
    worker, studio = outcome(office, *faults, DONE)
    assert worker.status is WorkerStatus.COMPLETED
    assert worker.turns == 1
    assert len(studio.model.requests) == 4


def test_a_reply_that_breaks_off_is_paid_asked_for_again_and_none_of_its_tools_run(
    office: Office,
) -> None:
    once = bash("echo once >> runs.txt")
    worker, _ = outcome(office, Reply("half", [once], cut=True), Reply("whole", [once]), DONE)
    assert worker.status is WorkerStatus.COMPLETED
    assert worker.turns == 2
    assert worker.cost_usd > Decimal("0.0016")  # what two whole replies cost
    assert "+once" in (office.artifacts(worker)["diff"].content or "")
    assert (office.artifacts(worker)["diff"].content or "").count("once\n") == 1


@pytest.mark.parametrize(
    ("fault", "again", "said"),
    [
        (Fault(400, "credit too low"), False, "refused the request (400): credit too low"),
        (
            Fault(529, "Overloaded", retry_after=NO_WAIT),
            True,
            "overloaded or away (529): Overloaded",
        ),
    ],
)
def test_what_the_api_refuses_for_good_is_told_with_its_fix(
    fault: Fault, again: bool, said: str, office: Office
) -> None:
    worker, studio = outcome(office, *[fault] * 7)
    task = office.read(office.owner.tasks.get(id=worker.task_id))
    assert worker.status is WorkerStatus.ERROR
    assert said in (worker.error or "")
    assert KEY not in (worker.error or "")
    assert task.status is (TaskStatus.PENDING if again else TaskStatus.FAILED)
    assert len(studio.model.requests) == (7 if again else 1)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(401, "invalid x-api-key"), "check ANTHROPIC_API_KEY where this agent runs"),
        (Fault(404, "model: no such"), "name another with --model (model: no such)"),
    ],
)
def test_what_every_task_would_meet_ends_the_agent_and_not_the_task(
    fault: Fault, said: str, office: Office
) -> None:
    task = office.task()
    with FakeModel([fault]) as model, pytest.raises(ConfigError, match=re.escape(said)) as caught:
        Studio(office, model).work(task)
    assert KEY not in str(caught.value)
    task = office.read(task)
    assert (task.status, task.attempt) == (TaskStatus.PENDING, 0)


def test_a_budget_ends_the_work_before_the_next_turn(office: Office) -> None:
    dear = Usage(input_tokens=0, output_tokens=30_000)  # 0.60 dollars
    worker, studio = outcome(
        office,
        Reply(tools=[bash("echo one >> work.txt")], usage=dear),
        Reply(tools=[bash("echo two >> work.txt")], usage=dear),
        DONE,
        max_cost=1.0,
    )
    assert worker.error_code == ErrorCode.BUDGET_EXHAUSTED
    assert worker.cost_usd == Decimal("1.2")
    assert len(studio.model.requests) == 2
    assert "+one" in (office.artifacts(worker)["diff"].content or "")
    assert office.read(office.owner.tasks.get(id=worker.task_id)).status is TaskStatus.FAILED


def test_turns_have_a_limit(office: Office) -> None:
    with FakeModel(lambda _: Reply(tools=[bash("true")])) as model:
        studio = Studio(office, model, {"max_turns": 3})
        worker = studio.work(office.task())
    assert worker.error == "not done within 3 turns (--max-turns)"
    assert len(model.requests) == 3


def test_a_person_is_heard_at_the_next_step(office: Office) -> None:
    task = office.task()
    heard = "Use the blue paint."

    def script(request: ModelRequest) -> Reply:
        if heard in request.said:
            return Reply("Blue it is.")
        if request.turn == 0:
            worker = office.worker(task)
            office.owner.messages.create(worker_id=worker.id, content=heard, role=Role.USER)
        return Reply(tools=[bash("sleep 0.1")])

    with FakeModel(script) as model:
        worker = Studio(office, model).work(task)
    assert worker.status is WorkerStatus.COMPLETED
    assert office.artifacts(worker)["summary"].content == "Blue it is."
    # Nothing is lost of what the tool gave back meanwhile.
    assert model.requests[-1].tool_results == ["(no output)"]


def test_a_question_waits_for_a_person(office: Office) -> None:
    task = office.task()
    question = ToolUse("ask", {"question": "Which?", "options": ["red", "blue"]})
    with FakeModel([Reply(tools=[question]), DONE]) as model:
        with Studio(office, model).working():
            until(lambda: status(office) == [WorkerStatus.WAITING_INPUT])
            waiting = office.worker(task).waiting_for
            assert waiting is not None
            assert (waiting.prompt, waiting.options) == ("Which?", ["red", "blue"])
            office.owner.workers.answer(id=office.worker(task).id, content="blue")
        assert model.requests[-1].tool_results == ["blue"]
    assert office.read(task).status is TaskStatus.COMPLETED


def test_a_paused_conversation_goes_on_word_for_word(office: Office) -> None:
    task, gate = office.task(), Gate()
    script = [
        Reply("First I note it.", [bash("echo noted > note.txt")], thinking="Well."),
        Reply("Never heard.", gate=gate),
        Reply("It is noted."),
    ]
    with FakeModel(script) as model:
        studio = Studio(office, model)
        with studio.working():
            assert gate.reached.wait(PATIENCE)
            office.owner.workers.pause(id=office.worker(task).id)
        paused = office.worker(task)
        assert paused.status is WorkerStatus.PAUSED
        office.owner.workers.start(id=paused.id)
        worker = studio.work(task)
    assert worker.id == paused.id
    assert worker.status is WorkerStatus.COMPLETED
    before, after = model.requests[1].messages, model.requests[2].messages
    assert after[: len(before)] == before
    assert after[1]["content"][0]["thinking"] == "Well."
    assert "taken up again" in model.requests[2].said
    assert worker.turns == 2
    assert worker.cost_usd > paused.cost_usd > Decimal("0.0008")  # the one not heard cost too
    assert not any((office.state / "sessions").iterdir())


def test_a_tool_that_a_pause_interrupts_is_answered_for(office: Office) -> None:
    task = office.task()
    with FakeModel([Reply(tools=[bash("touch begun; sleep 600")]), DONE]) as model:
        studio = Studio(office, model)
        with studio.working():
            until(lambda: list((office.state / "worktrees").glob("*/begun")))
            office.owner.workers.pause(id=office.worker(task).id)
        office.owner.workers.start(id=office.worker(task).id)
        assert studio.work(task).status is WorkerStatus.COMPLETED
    [result] = model.requests[-1].tool_results
    assert result.startswith("interrupted")


def test_a_cancelled_task_leaves_no_process(office: Office) -> None:
    task = office.task()
    command = "setsid sleep 600 & sleep 600 & touch begun; sleep 600"
    with FakeModel([Reply(tools=[bash(command)])]) as model, Studio(office, model).working():
        until(lambda: list((office.state / "worktrees").glob("*/begun")))
        worker = office.worker(task)
        until(lambda: len(marked(worker.id)) >= 4)
        office.owner.tasks.cancel(id=task.id)
    assert not marked(worker.id)
    assert office.read(task).status is TaskStatus.CANCELLED


def test_without_its_transcript_an_attempt_goes_on_from_what_was_said(office: Office) -> None:
    task, gate = office.task(), Gate()
    with FakeModel([Reply("I paint it.", [bash("true")]), Reply(gate=gate), DONE]) as model:
        studio = Studio(office, model)
        with studio.working():
            assert gate.reached.wait(PATIENCE)
            office.owner.workers.pause(id=office.worker(task).id)
        shutil.rmtree(office.state / "sessions")
        office.owner.workers.start(id=office.worker(task).id)
        assert studio.work(task).status is WorkerStatus.COMPLETED
    last = model.requests[-1]
    assert last.turn == 0
    assert "You: I paint it." in last.prompt
    assert task.title in last.prompt


def test_a_cut_off_reply_runs_none_of_its_tools(office: Office) -> None:
    cut_off = Reply("I", [bash("touch never.txt")], stop_reason="max_tokens")
    worker, studio = outcome(office, cut_off, DONE)
    assert worker.status is WorkerStatus.COMPLETED
    assert "diff" not in office.artifacts(worker)
    assert "in smaller parts" in studio.model.requests[-1].tool_results[0]


def test_a_refusal_is_a_failure_for_good(office: Office) -> None:
    worker, _ = outcome(office, Reply("I will not.", stop_reason="refusal"))
    assert worker.error == "the model refused the task"
    assert office.read(office.owner.tasks.get(id=worker.task_id)).status is TaskStatus.FAILED


def test_the_tools_for_files_do_not_leave_the_worktree(
    office: Office, repository: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the family silver")
    (repository / "link").symlink_to(secret)
    (repository / "up").symlink_to(tmp_path)
    (repository / "dangling").symlink_to(tmp_path / "new.txt")
    for arguments in (["add", "."], ["commit", "--quiet", "--message=links"]):
        git(repository, *arguments)
    reads = ["/etc/passwd", "../../secret.txt", str(secret), "link", "up/secret.txt"]
    reads += [f"/proc/{os.getpid()}/environ", "/proc/self/environ"]
    calls = [ToolUse("read", {"file_path": path}) for path in reads]
    calls += [
        ToolUse("write", {"file_path": path, "content": "x"}) for path in ("dangling", "up/x")
    ]
    calls += [ToolUse("edit", {"file_path": "link", "old_string": "family", "new_string": "x"})]
    calls += [ToolUse("grep", {"pattern": "silver", "path": path}) for path in ("up", "/", "..")]
    found = [ToolUse("grep", {"pattern": "silver|shop"}), ToolUse("glob", {"pattern": "*/secret*"})]
    _, studio = outcome(office, Reply(tools=[*calls, *found]), DONE)
    refused, allowed = (
        studio.model.requests[-1].tool_results[: len(calls)],
        studio.model.requests[-1].tool_results[len(calls) :],
    )
    assert all("is outside the session's working directory" in each for each in refused)
    assert allowed == ["README.md:1:a shop\n", "no matches"]
    assert secret.read_text() == "the family silver"
    assert not (tmp_path / "new.txt").exists()
    assert "silver" not in str(studio.model.requests[-1].tool_results)


def test_a_pipe_is_no_file(office: Office) -> None:
    write = ToolUse("write", {"file_path": "pipe", "content": "x"})
    read = ToolUse("read", {"file_path": "pipe"})
    _, studio = outcome(office, Reply(tools=[bash("mkfifo pipe"), write, read]), DONE)
    results = studio.model.requests[-1].tool_results
    assert results[1:] == ["write: pipe: not a regular file", "read: pipe: not a regular file"]


def test_no_tool_sees_a_key(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {"ANTHROPIC_API_KEY": KEY, "BUILDD_API_KEY": office.key, "AWS_SECRET_ACCESS_KEY": "aws"}
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TEAM", "blue")
    see = bash("env; cat /proc/self/environ /proc/$$/environ | tr '\\0' '\\n'")
    with FakeModel([Reply(tools=[see]), DONE]) as model:
        Studio(office, model, {"pass_env": ["TEAM"]}).work(office.task())
    [seen] = model.requests[-1].tool_results
    assert "TEAM=blue" in seen
    assert "BUILDD_TASK_ID=" in seen
    for value in ours.values():
        assert value not in str([request.body for request in model.requests])


def test_what_the_model_calls_wrongly_is_its_own_to_mend(
    office: Office, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = [ToolUse("dance"), ToolUse("bash", {"speed": 9}), ToolUse("bash"), ToolUse("ask")]
    calls += [ToolUse("report", {"status": "x", "progress": 900})]
    worker, studio = outcome(office, Reply(tools=calls), DONE)
    assert worker.status is WorkerStatus.COMPLETED
    results = studio.model.requests[-1].tool_results
    assert ["not found" in results[0], "Invalid" in results[1], "is needed" in results[2]] == [
        True
    ] * 3
    assert "progress" in results[4]
    assert "Traceback" not in capfd.readouterr().err


def test_the_example_can_be_rehearsed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example = Path(__file__).parents[2] / "examples" / "claude" / "fix_a_test.py"
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.setenv(name, "")  # so that what the example sets is taken back
    monkeypatch.setattr("sys.argv", [str(example), "--rehearse"])
    runpy.run_path(str(example), run_name="__main__")
    shown = capsys.readouterr().out
    assert "+    return sum(prices)" in shown
    assert "completed after 3 turns for 0.0024 dollars" in shown
