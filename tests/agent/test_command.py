from __future__ import annotations

import os
import re
import shutil
import threading
from pathlib import Path

import anyio
import pytest

from buildd.agent import AgentOptions, serve_async
from buildd.client import as_async
from buildd.errors import ConfigError
from buildd.events import EventType
from buildd.states import TaskStatus, WorkerStatus
from buildd_runners.command import CommandExecutor
from tests.agent.office import Office, OfficeMaker, git
from tests.agent.test_local_api import person

HOSTILE = "'; touch pwned; $(touch pwned) `touch pwned`\n\"&& touch pwned #"


def run(office: Office, command: str, *, pass_env: tuple[str, ...] = ()) -> None:
    """Do one task with a command."""
    execute(office, CommandExecutor(command, pass_env))


def execute(office: Office, executor: CommandExecutor) -> None:
    """Do one task."""

    async def work() -> None:
        async with as_async(office.account) as client:
            options = AgentOptions(max_tasks=1, single_run=True, state_dir=office.state)
            await serve_async(client, executor, options)

    anyio.run(work)


def test_success_with_commits(office: Office, repository: Path) -> None:
    task = office.task(description="It fails at night.", context={"pr": 7})
    run(
        office,
        "cp $BUILDD_TASK_FILE told.md; git add . && git commit -qm mine; "
        'cat >stdin.md; echo half way; echo "$BUILDD_CONTROL progress=40"; echo done >&2',
    )
    done, worker = office.read(task), office.worker(task)
    assert done.status is TaskStatus.COMPLETED
    assert done.result is not None
    assert done.result["exitCode"] == 0
    assert done.result["branch"] == worker.branch
    assert done.result["filesChanged"] == 2
    assert git(repository, "log", "--format=%s", f"main..{worker.branch}").splitlines() == [
        "buildd: Fix the login test",
        "mine",
    ]
    prompt = git(repository, "show", f"{worker.branch}:stdin.md")
    assert prompt == git(repository, "show", f"{worker.branch}:told.md")
    assert prompt.startswith("# Fix the login test\n\nIt fails at night.\n\n## Context")
    assert office.said(worker) == "half way\ndone"
    found = office.artifacts(worker)
    assert "+It fails at night." in (found["diff"].content or "")
    assert "done\n(exit code 0)" in (found["summary"].content or "")
    assert not any((office.state / "worktrees").iterdir())
    assert not any((office.state / "scratch").iterdir())


def test_failure_carries_the_last_lines(office: Office) -> None:
    task = office.task()
    run(office, "echo first; echo 'the reason' >&2; exit 3")
    worker = office.worker(task)
    assert (worker.status, worker.error) == (
        WorkerStatus.ERROR,
        "exit code 3: first\nthe reason",
    )
    assert office.read(task).status is TaskStatus.PENDING


def test_an_error_quotes_only_the_end_of_the_output(office: Office) -> None:
    task = office.task()
    run(
        office,
        "for i in $(seq 100); do echo 'a line of output, and on it goes'; done; echo so; exit 3",
    )
    error = office.worker(task).error or ""
    assert error.startswith("exit code 3: …")
    assert error.endswith("and on it goes\nso")
    assert len(error) < 520


def test_progress_is_reported_and_what_is_no_percentage_is_ignored(office: Office) -> None:
    task = office.task()
    run(office, 'for p in 40 400 -1 x; do echo "$BUILDD_CONTROL progress=$p"; done; exit 1')
    worker = office.worker(task)
    assert worker.progress == 40
    assert office.said(worker) == ""


def test_a_task_cannot_report_progress_with_its_text(office: Office) -> None:
    forged = "::buildd progress=99\n$BUILDD_CONTROL progress=99\n::buildd:0 progress=99"
    task = office.task(description=forged)
    run(office, "cat; exit 1")
    worker = office.worker(task)
    assert worker.progress == 0
    assert forged in office.said(worker)


def test_a_killed_command_says_by_what(office: Office) -> None:
    task = office.task()
    run(office, "kill -9 $$")
    assert office.worker(task).error == "killed by SIGKILL"


def test_hostile_text_is_inert(office: Office, repository: Path, tmp_path: Path) -> None:
    task = office.task(HOSTILE, description=HOSTILE, context={HOSTILE: HOSTILE})
    run(office, "cat > prompt.md")
    worker = office.worker(task)
    assert office.read(task).status is TaskStatus.COMPLETED
    assert HOSTILE in git(repository, "show", f"{worker.branch}:prompt.md")
    assert not list(tmp_path.rglob("pwned"))


def test_the_environment_holds_what_is_allowed_and_no_key(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDD_API_KEY", office.key)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    monkeypatch.setenv("MY_TOOL", "passed")
    task = office.task()
    run(office, "tr '\\0' '\\n' < /proc/$$/environ; cat /proc/$$/cmdline", pass_env=("MY_TOOL",))
    worker = office.worker(task)
    said = office.said(worker)
    assert office.key not in said
    assert "buildd_lease_" not in said
    assert "sk-secret" not in said
    assert "MY_TOOL=passed" in said
    assert f"BUILDD_TASK_ID={task.id}" in said
    assert f"BUILDD_WORKER_ID={worker.id}" in said
    assert f"BUILDD_BRANCH={worker.branch}" in said


def test_a_key_is_never_passed_on() -> None:
    with pytest.raises(ConfigError, match="BUILDD_API_KEY is never passed"):
        CommandExecutor("true", ("BUILDD_API_KEY",))


def test_what_stays_in_the_background_neither_holds_nor_outlives_the_attempt(
    office: Office, tmp_path: Path
) -> None:
    task = office.task()
    run(office, f"sleep 300 & echo $! > {tmp_path}/pid; echo started")
    assert office.read(task).status is TaskStatus.COMPLETED
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/cmdline").exists() or (
        Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/cmdline").read_bytes() == b""
    )


def test_too_much_output_is_cut_and_said(office: Office) -> None:
    task = office.task()
    run(office, "yes 'a line of output' | head -c 3000000; echo the end")
    worker = office.worker(task)
    said = office.said(worker)
    assert len(said) < 1_100_000
    assert "it is not shown" in said
    assert "the end" in (office.artifacts(worker)["summary"].content or "")


def test_bytes_that_are_no_text_are_shown_somehow(office: Office) -> None:
    task = office.task()
    run(office, r"printf 'a\000b\377c\033[31mred\033[0m\r\n12%%\r100%%\nno newline'")
    said = office.said(office.worker(task))
    assert said == "a�b�cred\n100%\nno newline"


def test_a_repo_is_cloned_and_pushed_to(open_office: OfficeMaker, remote: Path) -> None:
    office = open_office(repo=str(remote))
    task = office.task()
    run(office, "echo new > new.txt")
    assert office.read(task).status is TaskStatus.COMPLETED
    assert git(remote, "show", f"{office.worker(task).branch}:new.txt") == "new"


def test_a_push_that_is_refused_is_a_retryable_failure_and_loses_nothing(
    open_office: OfficeMaker, remote: Path
) -> None:
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'no pushing on Fridays' >&2\nexit 1\n")
    hook.chmod(0o755)
    office = open_office(repo=str(remote))
    task = office.task()
    run(office, "echo new > new.txt")
    worker = office.worker(task)
    assert office.read(task).status is TaskStatus.PENDING
    assert "no pushing on Fridays" in (worker.error or "")
    [clone] = (office.state / "repositories").glob("*.git")
    assert git(clone, "show", f"{worker.branch}:new.txt") == "new"


def test_a_repo_that_cannot_be_cloned_fails_with_gits_line(
    open_office: OfficeMaker, tmp_path: Path
) -> None:
    office = open_office(repo=str(tmp_path / "nothing"))
    task = office.task()
    run(office, "true")
    assert "does not appear to be a git repository" in (office.worker(task).error or "")
    assert not any((office.state / "scratch").iterdir())


def test_a_command_that_removes_its_worktree_fails_clearly(office: Office) -> None:
    task = office.task()
    run(office, 'rm -rf "$PWD"')
    worker = office.worker(task)
    assert worker.status is WorkerStatus.ERROR
    assert "is gone" in (worker.error or "")


def test_nothing_but_sh_and_git_is_needed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    git_at = shutil.which("git")
    assert git_at is not None
    monkeypatch.setenv("PATH", os.path.dirname(git_at))  # noqa: PTH120 - a PATH is text
    monkeypatch.delenv("LANG", raising=False)
    task = office.task()
    run(office, "echo héllo > ü.txt; echo héllo")
    assert office.read(task).status is TaskStatus.COMPLETED
    assert office.said(office.worker(task)) == "héllo"


@pytest.mark.parametrize(
    ("local_path", "told", "status"),
    [
        ("{here}/plain", "is not a git repository", TaskStatus.FAILED),
        ("~nobody-here/shop", "must be an absolute path", TaskStatus.FAILED),
        ("code/shop", "must be an absolute path", TaskStatus.FAILED),
        ("{here}/elsewhere", "is not a directory on this machine", TaskStatus.PENDING),
    ],
)
def test_a_checkout_that_cannot_be_used_fails_in_one_line_and_runs_nothing(
    open_office: OfficeMaker, tmp_path: Path, local_path: str, told: str, status: TaskStatus
) -> None:
    (tmp_path / "plain").mkdir()
    office = open_office(local_path=local_path.format(here=tmp_path))
    task = office.task()
    run(office, f"touch {tmp_path}/ran")
    assert office.read(task).status is status
    error = office.worker(task).error or ""
    assert error.startswith("the workspace's localPath ")
    assert told in error
    assert "\n" not in error
    assert not (tmp_path / "ran").exists()


def test_a_workspace_without_a_repository_gives_an_empty_directory(
    open_office: OfficeMaker,
) -> None:
    office = open_office()
    task = office.task()
    run(office, "ls -A")
    assert office.read(task).status is TaskStatus.COMPLETED
    assert office.said(office.worker(task)) == ""


def test_a_result_file_becomes_the_result(office: Office) -> None:
    task = office.task()
    run(office, """echo '{"tests": {"passed": 3}, "exitCode": 9}' > "$BUILDD_RESULT_FILE" """)
    result = office.read(task).result
    assert result is not None
    assert (result["tests"], result["exitCode"]) == ({"passed": 3}, 0)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("echo '{' > $BUILDD_RESULT_FILE", "is not valid JSON: "),
        ("echo NaN > $BUILDD_RESULT_FILE", "is not valid JSON: NaN is not JSON"),
        ("yes '[' | head -c 90000 > $BUILDD_RESULT_FILE", "is not valid JSON: "),
        (r"printf '\377' > $BUILDD_RESULT_FILE", "is not valid JSON: "),
        ("echo '[1]' > $BUILDD_RESULT_FILE", "must hold a JSON object"),
        ("head -c 1000001 /dev/zero > $BUILDD_RESULT_FILE", "is larger than 1,000,000 bytes"),
        ("mkfifo $BUILDD_RESULT_FILE", "is not a plain file"),
        ("mkdir $BUILDD_RESULT_FILE", "is not a plain file"),
        ("ln -s /etc/passwd $BUILDD_RESULT_FILE", "cannot be read: "),
    ],
)
def test_a_result_file_that_holds_no_result_is_a_failure(
    office: Office, command: str, told: str
) -> None:
    task = office.task()
    run(office, command)
    assert office.read(task).status is TaskStatus.PENDING
    assert (office.worker(task).error or "").startswith(f"$BUILDD_RESULT_FILE {told}")


def test_a_result_that_no_database_holds_fails_for_good(office: Office) -> None:
    task = office.task()
    run(office, r"""echo '{"a": "\u0000"}' > "$BUILDD_RESULT_FILE" """)
    assert office.read(task).status is TaskStatus.FAILED
    assert "the result cannot be stored" in (office.worker(task).error or "")


def test_a_failure_has_no_result(office: Office) -> None:
    task = office.task()
    run(office, """echo '{"a": 1}' > "$BUILDD_RESULT_FILE"; exit 1""")
    assert office.worker(task).error == "exit code 1"


def test_a_command_asks_a_person(office: Office) -> None:
    task = office.task()
    with person(office, "sqlite", before="Be quick."):
        run(
            office,
            'answer=$(buildd agent ask "Which database?" --option postgres --option sqlite)\n'
            'echo "with $answer"; buildd agent messages; buildd agent report --progress 80',
        )
    assert office.read(task).status is TaskStatus.COMPLETED
    said = office.said(office.worker(task))
    assert "with sqlite\nBe quick." in said


def test_what_was_said_before_a_pause_is_told_to_the_next_run(office: Office) -> None:
    task = office.task(description="Paint the door.")
    begun = threading.Event()

    def pause() -> None:
        for event in office.owner.events(0, types=[EventType.WORKER_MESSAGE]):
            assert event.worker_id is not None
            office.owner.messages.create(worker_id=event.worker_id, content="Take red.")
            office.owner.workers.pause(id=event.worker_id)
            begun.set()
            return

    person = threading.Thread(target=pause)
    person.start()
    run(office, "echo I begin; echo half > half.txt; sleep 100")
    person.join()
    worker = office.worker(task)
    assert worker.status is WorkerStatus.PAUSED
    office.owner.workers.start(id=worker.id)
    run(office, "cat; buildd agent messages; cat half.txt")
    told = office.said(worker)
    assert "# Fix the login test\n\nPaint the door.\n\n## Before" in told
    assert "\nYou: I begin\n" in f"{told}\n"  # and perhaps what the shell said of its end
    assert told.endswith("\nTake red.\nhalf")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "needs a command to run: --command '…', or --template NAME"),
        ({"command": " "}, "needs a command to run"),
        ({"template": "vim"}, "no template 'vim'; there are aider, codex, gemini, opencode"),
        ({"template": "codex", "command": "x"}, "give a command or a template, not both"),
        ({"template": "codex", "pass_env": ["BUILDD_SECRET"]}, "BUILDD_SECRET is never passed"),
    ],
)
def test_a_wrong_setting_is_told_in_one_line(config: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        CommandExecutor.from_config(config)
