"""The real Claude Code, in a real agent process, against a model that says what a test wants."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

import buildd
from buildd.agent.process import MARK
from buildd.models import QuestionType, Task, Worker
from buildd.states import ErrorCode, TaskStatus, WorkerStatus
from buildd.testing.messages import FakeModel, Fault, Gate, ModelRequest, Reply, ToolUse, Usage
from tests.agent.office import Office, git
from tests.agent.test_agent_process import Agents, serving
from tests.patience import PATIENCE, until

pytestmark = pytest.mark.real

KEY = "sk-ant-a-key-that-nobody-may-see"
SNOOP = "cat /proc/self/environ /proc/$PPID/environ | tr '\\0' '\\n'; env"
COLOUR = {
    "question": "Which colour for the receipt?",
    "header": "Colour",
    "multiSelect": False,
    "options": [
        {"label": "blue", "description": "like the sea"},
        {"label": "red", "description": "like a rose"},
    ],
}


def bash(command: str) -> ToolUse:
    return ToolUse("Bash", {"command": command, "description": "a step"})


@pytest.fixture
def agents(office: Office, tmp_path: Path) -> Iterator[Agents]:
    with (
        serving(office.broker) as port,
        Agents(office, f"http://127.0.0.1:{port}", tmp_path) as made,
    ):
        yield made


def start(
    agents: Agents, model: FakeModel, *flags: str, **environment: str
) -> subprocess.Popen[str]:
    keys = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": model.url}
    return agents.start("", "--executor=claude-code", *flags, **keys, **environment)


def begin(agents: Agents, model: FakeModel, *flags: str) -> subprocess.Popen[str]:
    """An agent whose Claude Code gives up soon when the API fails."""
    patience = {"CLAUDE_CODE_MAX_RETRIES": "1"}
    return start(agents, model, "--pass-env=CLAUDE_CODE_MAX_RETRIES", *flags, **patience)


def worker_in(office: Office, task: Task, *statuses: WorkerStatus) -> Worker:
    """The last attempt, as soon as it is in one of these."""
    until(lambda: office.owner.workers.list(task_id=task.id))
    until(lambda: office.worker(task).status in statuses)
    return office.worker(task)


def marked(worker: Worker) -> list[psutil.Process]:
    """The living processes of an attempt."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == worker.id:
                found.append(process)
        except psutil.Error:
            continue
    return found


class Engineer:
    """A model that does what a good one would, and looks for keys where it can."""

    def __init__(self, outside: Path) -> None:
        self._outside = outside
        self.inside = Path()

    def __call__(self, request: ModelRequest) -> Reply:
        shop = str(self.inside / "shop.py")
        mend = {"file_path": shop, "old_string": "prices[1:]", "new_string": "prices"}
        test = "PYTHONDONTWRITEBYTECODE=1 python3 test_shop.py"
        turns = [
            Reply("I look.", tools=[bash(test), bash(SNOOP)], usage=Usage(5000, 50, 700, 900)),
            Reply(tools=[ToolUse("AskUserQuestion", {"questions": [COLOUR]})]),
            Reply(tools=[ToolUse("Write", {"file_path": str(self._outside), "content": "x"})]),
            Reply(tools=[ToolUse("Read", {"file_path": shop})]),
            Reply(tools=[ToolUse("Edit", mend)], thinking="The first price is left out."),
            Reply(tools=[bash(f"{test} && git commit -qam 'Count the first price too'")]),
            Reply("The total left out the first price. The test passes now."),
        ]
        return turns[request.turn]


@pytest.fixture
def shop(repository: Path) -> Path:
    """A repository with a test that fails."""
    (repository / "shop.py").write_text("def total(prices):\n    return sum(prices[1:])\n")
    (repository / "test_shop.py").write_text(
        "from shop import total\n\nassert total([1, 2]) == 3, 'the total is wrong'\n"
    )
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message=a shop with a fault")
    git(repository, "config", "--file", str(Path.home() / ".gitconfig"), "user.name", "the keeper")
    git(repository, "config", "--file", str(Path.home() / ".gitconfig"), "user.email", "k@eep.er")
    return repository


def test_it_mends_a_failing_test_with_people_in_the_loop(
    agents: Agents, shop: Path, tmp_path: Path
) -> None:
    office, outside = agents.office, tmp_path / "outside.txt"
    engineer = Engineer(outside)
    with FakeModel(engineer, api_key=KEY) as model, buildd.connect(agents.address) as person:
        task = office.task("Fix the total", description="See @/etc/hostname", max_cost=1)
        agent = start(agents, model, "--model=claude-sonnet-5-5", "--max-turns=20")
        worker = worker_in(office, task, WorkerStatus.STARTING, WorkerStatus.RUNNING)
        engineer.inside = office.state / "worktrees" / worker.id

        asked = worker_in(office, task, WorkerStatus.WAITING_INPUT).waiting_for
        assert asked is not None
        assert (asked.type, asked.options) == (QuestionType.QUESTION, ["blue", "red"])
        assert "blue: like the sea" in asked.prompt
        person.messages.create(worker_id=worker.id, content="Mind the tests")
        person.workers.answer(id=worker.id, content="blue")

        until(lambda: (office.worker(task).waiting_for or asked).type is QuestionType.PERMISSION)
        wish = office.worker(task).waiting_for
        assert wish is not None
        assert str(outside) in wish.prompt
        person.workers.answer(id=worker.id, content="not there, please")

        done = worker_in(office, task, WorkerStatus.COMPLETED, WorkerStatus.ERROR)
        agent.terminate()
        code, told = agents.end(agent)
        requests = model.requests
    assert (done.status, done.error, code) == (WorkerStatus.COMPLETED, None, 0)
    _shows_what_was_done(office, task, done, shop)
    assert not outside.exists()
    assert requests[0].body["model"] == "claude-sonnet-5-5"
    assert "Fix the total" in requests[0].prompt
    assert "See @/etc/hostname" in requests[0]
    assert "='blue'" in requests[2].tool_results[0].replace('"', "'")
    assert "said: not there, please" in requests[3].tool_results[0]
    assert any("Mind the tests" in request for request in requests)
    everything = [told, office.said(done), *(str(request.body) for request in requests)]
    for secret in (KEY, office.key):
        assert not any(secret in each for each in everything)
    assert f"{MARK}={done.id}" in requests[1].tool_results[1]
    assert marked(done) == []
    assert not any((office.state / "sessions").iterdir())


def _shows_what_was_done(office: Office, task: Task, worker: Worker, shop: Path) -> None:
    result, shown = office.read(task).result, office.artifacts(worker)
    assert result is not None
    assert result["text"] == "The total left out the first price. The test passes now."
    assert result["filesChanged"] == 1
    assert result["denied"] == ["Write"]
    assert "+    return sum(prices)" in (shown["diff"].content or "")
    assert "Count the first price too" in (shown["summary"].content or "")
    last = git(shop, "log", "-1", "--format=%an: %s", worker.branch)
    assert last == "the keeper: Count the first price too"
    assert worker.turns == 7
    assert worker.cost_usd > 0
    assert worker.session_id
    said = office.owner.messages.list(worker_id=worker.id, limit=200)
    assert {"Bash", "Edit", "Write", "Read"} <= {each.tool_name for each in said}
    assert any("the total is wrong" in str(each.tool_output) for each in said)


def test_what_it_may_do_unasked_is_up_to_its_mode(
    agents: Agents, repository: Path, tmp_path: Path
) -> None:
    office, outside = agents.office, tmp_path / "outside.txt"
    write = ToolUse("Write", {"file_path": str(outside), "content": "x"})
    steps = [bash("echo 1 >> one"), bash("echo 1 >> one"), write, bash("rm -f one")]
    turns = [*(Reply(tools=[step]) for step in steps), Reply("Done.")]
    answers = {"echo 1": "allow always", str(outside): "deny", "rm -f": "no, keep it"}
    with FakeModel({"careful": turns, "free": turns}) as model:
        task = office.task("careful")
        agent = start(agents, model, "--permission-mode=default")
        for about, answer in answers.items():
            _wait_for_wish(office, task, about)
            office.owner.workers.answer(id=office.worker(task).id, content=answer)
        careful = worker_in(office, task, WorkerStatus.COMPLETED, WorkerStatus.ERROR)
        agent.terminate()
        agents.end(agent)
        assert not outside.exists()
        task = office.task("free")
        start(agents, model, "--permission-mode=bypassPermissions")
        free = worker_in(office, task, WorkerStatus.COMPLETED, WorkerStatus.ERROR)
    assert careful.status is free.status is WorkerStatus.COMPLETED
    assert git(repository, "show", f"{careful.branch}:one") == "1\n1"
    assert outside.read_text() == "x"
    assert office.artifacts(free).keys() == {"summary"}


def _wait_for_wish(office: Office, task: Task, about: str) -> None:
    def wishes() -> bool:
        workers = office.owner.workers.list(task_id=task.id)
        waiting = workers[0].waiting_for if workers else None
        return waiting is not None and about in waiting.prompt

    until(wishes)


def test_a_pause_keeps_the_session_for_the_resume(agents: Agents) -> None:
    office, gate = agents.office, Gate()
    script = [
        Reply("I begin.", tools=[bash("echo half > half.txt")]),
        Reply("I go on, slowly.", gate=gate),
        Reply("It is whole.", tools=[bash("echo whole > half.txt")]),
        Reply("Done."),
    ]
    with FakeModel(script, api_key=KEY) as model:
        task = office.task()
        start(agents, model)
        assert gate.reached.wait(PATIENCE)
        office.owner.workers.pause(id=office.worker(task).id)
        paused = worker_in(office, task, WorkerStatus.PAUSED)
        assert marked(paused) == []
        assert paused.cost_usd > 0
        gate.open()
        office.owner.workers.start(id=paused.id)
        done = worker_in(office, task, WorkerStatus.COMPLETED, WorkerStatus.ERROR)
        resumed = model.requests[2]
    assert (done.status, done.id) == (WorkerStatus.COMPLETED, paused.id)
    assert done.session_id == paused.session_id
    assert "I begin." in resumed
    assert "taken up again" in resumed.said
    # Two more turns, and not what Claude Code counts again of the first ones.
    assert 0 < done.cost_usd - paused.cost_usd < paused.cost_usd * Decimal("1.5")
    assert marked(done) == []


def test_without_its_session_it_is_told_what_was_said(agents: Agents) -> None:
    office, gate = agents.office, Gate()
    script = [Reply("I begin.", tools=[bash("true")]), Reply("slowly", gate=gate), Reply("Done.")]
    with FakeModel(script) as model:
        task = office.task()
        agent = start(agents, model)
        assert gate.reached.wait(PATIENCE)
        office.owner.workers.pause(id=office.worker(task).id)
        paused = worker_in(office, task, WorkerStatus.PAUSED)
        agent.terminate()
        agents.end(agent)
        shutil.rmtree(office.state / "sessions" / paused.id)
        start(agents, model)
        office.owner.workers.start(id=paused.id)
        done = worker_in(office, task, WorkerStatus.COMPLETED, WorkerStatus.ERROR)
        again = model.requests[2]
    assert done.status is WorkerStatus.COMPLETED
    assert done.session_id != paused.session_id
    assert again.turn == 0
    assert "I begin." in again.prompt


@pytest.mark.parametrize("how", ["cancel", "kill"])
def test_nothing_is_left_of_it(agents: Agents, how: str) -> None:
    office = agents.office
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    begun = f'touch begun; setsid python3 -c "{stubborn}" & python3 -c "{stubborn}"'
    with FakeModel([Reply("I wait.", tools=[bash(begun)], usage=Usage(9000, 900))]) as model:
        task = office.task()
        agent = start(agents, model)
        until(lambda: any((office.state / "worktrees").glob("*/begun")))
        worker = office.worker(task)
        until(lambda: len(marked(worker)) >= 3)
        until(lambda: office.read(task).cost_usd > 0)  # also of what will not say so any more
        if how == "cancel":
            office.owner.tasks.cancel(id=task.id)
        else:
            agent.send_signal(signal.SIGKILL)
            agents.end(agent)
            start(agents, model)  # the next agent here clears up
        until(lambda: not marked(worker))


def test_the_budget_stops_it_for_good(agents: Agents) -> None:
    office = agents.office
    dear = Usage(output_tokens=40_000)
    script = [Reply("I think.", tools=[bash("true")], usage=dear)] * 3
    with FakeModel(script) as model:
        task = office.task(max_cost=0.5)
        start(agents, model)
        worker = worker_in(office, task, WorkerStatus.COMPLETED, WorkerStatus.ERROR)
        assert len(model.requests) < 3
    assert worker.error_code == ErrorCode.BUDGET_EXHAUSTED
    assert worker.cost_usd >= 0.5
    assert office.read(task).status is TaskStatus.FAILED


def test_it_outlives_what_the_api_gets_over(agents: Agents) -> None:
    office = agents.office
    script = [
        Fault(529),
        Fault(429, retry_after=0),
        Reply("a long story that breaks off", cut=True),
        Fault(500),
        Reply("Done."),
    ]
    with FakeModel(script) as model:
        task = office.task()
        start(agents, model)
        worker = worker_in(office, task, WorkerStatus.COMPLETED, WorkerStatus.ERROR)
    assert (worker.status, worker.error) == (WorkerStatus.COMPLETED, None)


@pytest.mark.parametrize(
    ("fault", "told", "status"),
    [
        (Fault(529, "too busy"), "too busy", TaskStatus.PENDING),
        (Fault(400, "a bad request"), "a bad request", TaskStatus.FAILED),
    ],
)
def test_what_the_api_does_not_get_over_is_a_failure_that_says_why(
    agents: Agents, fault: Fault, told: str, status: TaskStatus
) -> None:
    office = agents.office
    with FakeModel(lambda _: fault) as model:
        task = office.task()
        begin(agents, model)
        worker = worker_in(office, task, WorkerStatus.COMPLETED, WorkerStatus.ERROR)
    assert worker.error_code == "api_error"
    assert told in (worker.error or "")
    assert office.read(task).status is status


def test_a_key_that_is_refused_ends_the_agent_and_not_the_task(agents: Agents) -> None:
    office = agents.office
    with FakeModel(lambda _: Fault(401, "no such key")) as model:
        task = office.task()
        agent = begin(agents, model)
        assert agent.wait(PATIENCE) == 2
        assert agent.stderr is not None
        last = agent.stderr.readlines()[-1]
    assert "check ANTHROPIC_API_KEY where this agent runs" in last
    assert (office.read(task).status, office.read(task).attempt) == (TaskStatus.PENDING, 0)


def test_the_example_can_be_rehearsed(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "claude" / "fix_a_test.py"
    done = subprocess.run(
        [sys.executable, "-W", "error", example, "--claude-code", "--rehearse"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "Which name?",
        "answered: Fix the total",
        "return sum(prices)",
        "completed after 4",
    ):
        assert words in done.stdout
