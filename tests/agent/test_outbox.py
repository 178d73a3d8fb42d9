"""What an attempt has to say at its end is told once, whoever dies meanwhile."""

from __future__ import annotations

import resource
import shutil
import signal
import stat
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from buildd.agent import Agent, AgentOptions, Session, loop, retry
from buildd.agent.function import FunctionExecutor
from buildd.agent.outbox import Letter, Outbox, Push
from buildd.agent.report import Delivery, deliver_left
from buildd.agent.retry import persist
from buildd.client import as_async, connect_async
from buildd.errors import ConfigError, InternalError, LeaseLost, Unavailable
from buildd.models import ArtifactType, Claimed
from buildd.operations import CompleteWorker, CreateArtifact
from buildd.states import TaskStatus, WorkerStatus
from tests.agent.office import Office, OfficeMaker, git
from tests.agent.test_agent_process import WAIT_FOR_A_FILE, Agents, begun, serving
from tests.patience import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def claim(office: Office) -> Claimed:
    office.task()
    [claimed] = office.account.workers.claim().workers
    office.account.with_key(claimed.lease.token).workers.start(id=claimed.id)
    return claimed


def letter_of(claimed: Claimed, account_id: str) -> Letter:
    shown = CreateArtifact(
        worker_id=claimed.id, type=ArtifactType.SUMMARY, title="Summary", content="all is well"
    )
    verdict = CompleteWorker(id=claimed.id, result={"answer": 42})
    return Letter(
        account_id=account_id,
        task_id=claimed.task_id,
        worker_id=claimed.id,
        key="k",
        token=claimed.lease.token,
        totals={"costUsd": 0.25, "turns": 3},
        artifacts=(shown,),
        verb="complete",
        said=verdict.model_dump(mode="json", exclude_unset=True),
    )


async def deliver(office: Office, outbox: Outbox) -> None:
    await deliver_left(outbox, as_async(office.account), office.account_id)


async def test_a_letter_is_told_by_whoever_finds_it(office: Office) -> None:
    claimed, outbox = claim(office), Outbox(office.state)
    kept = outbox.put(letter_of(claimed, office.account_id))
    [file] = (office.state / "outbox").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    await deliver(office, outbox)
    assert file.exists(), "its writer still lives, and tells it itself"
    kept.leave()
    await deliver_left(outbox, as_async(office.account), "acc_another")
    assert file.exists(), "it is another account's"
    await deliver(office, outbox)
    assert not file.exists()
    worker = office.owner.workers.get(id=claimed.id)
    assert (worker.status, worker.turns, float(worker.cost_usd)) == ("completed", 3, 0.25)
    assert office.owner.tasks.get(id=claimed.task_id).result == {"answer": 42}
    assert office.artifacts(worker)["summary"].content == "all is well"


async def test_what_was_told_but_not_crossed_out_is_not_told_twice(office: Office) -> None:
    claimed, outbox = claim(office), Outbox(office.state)
    kept = outbox.put(letter_of(claimed, office.account_id))
    lease = as_async(office.account).with_key(claimed.lease.token)
    shown = kept.letter.artifacts[0].model_copy(update={"metadata": {"reportKey": "k/0"}})
    await lease.send(shown)
    kept.leave()
    copy = shutil.copytree(office.state / "outbox", office.state / "copy")
    await deliver(office, outbox)
    shutil.copytree(copy, office.state / "outbox", dirs_exist_ok=True)
    await deliver(office, outbox)
    assert len(office.owner.artifacts.list(worker_id=claimed.id)) == 1
    assert not any((office.state / "outbox").iterdir())


async def test_a_disk_that_fails_leaves_no_half_a_letter_and_breaks_no_agent(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    claimed, outbox = claim(office), Outbox(office.state)
    letter = letter_of(claimed, office.account_id)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, usual[1]))
    try:
        outbox.put(letter).remove()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert "its report is not safe on disk: File too large" in caplog.text
    assert not any((office.state / "outbox").iterdir())
    kept = outbox.put(letter)
    shutil.rmtree(office.state / "outbox")
    (office.state / "outbox").write_text("no directory any more")
    kept.remove()
    assert f"{claimed.task_id}: cannot remove" in caplog.text


async def test_a_letter_that_comes_too_late_is_dropped_and_that_is_said(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    claimed, outbox = claim(office), Outbox(office.state)
    outbox.put(letter_of(claimed, office.account_id)).leave()
    office.owner.tasks.release(id=claimed.task_id)
    await deliver(office, outbox)
    assert "came too late: this attempt is over: released" in caplog.text
    assert not any((office.state / "outbox").iterdir())
    worker = office.owner.workers.get(id=claimed.id)
    assert (worker.status, worker.error_code) == ("error", "released")
    assert float(worker.cost_usd) == 0.25, "a lost lease still books what it cost"


async def test_a_pause_whose_answer_was_lost_is_a_pause(office: Office) -> None:
    claimed, outbox = claim(office), Outbox(office.state)
    lease = as_async(office.account).with_key(claimed.lease.token)
    await lease.workers.pause(id=claimed.id)
    letter = letter_of(claimed, office.account_id)
    letter = letter.model_copy(
        update={"verb": "pause", "said": {"id": claimed.id}, "artifacts": ()}
    )
    told = await Delivery(outbox.put(letter), lease, fresh=True).run()
    assert told.verb == "pause"
    office.owner.workers.start(id=claimed.id)
    with pytest.raises(LeaseLost):
        await Delivery(outbox.put(letter), lease, fresh=False).run()


async def test_work_whose_repository_is_gone_is_a_failure_that_says_so(office: Office) -> None:
    claimed, outbox = claim(office), Outbox(office.state)
    gone = Push(repository=office.state / "repositories" / "gone.git", branch=claimed.branch)
    letter = letter_of(claimed, office.account_id).model_copy(update={"push": gone})
    outbox.put(letter).leave()
    await deliver(office, outbox)
    assert not any((office.state / "outbox").iterdir())
    worker = office.owner.workers.get(id=claimed.id)
    assert worker.status is WorkerStatus.ERROR
    assert "git: cannot push from" in (worker.error or "")


async def test_a_letter_that_nobody_can_read_stays_and_stops_nobody(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(office.state)
    (office.state / "outbox").mkdir(parents=True)
    (office.state / "outbox" / "a.json").write_text("{")
    claimed = claim(office)
    outbox.put(letter_of(claimed, office.account_id)).leave()
    await deliver(office, outbox)
    assert "a.json cannot be read" in caplog.text
    assert office.owner.workers.get(id=claimed.id).status is WorkerStatus.COMPLETED


async def test_a_full_disk_does_not_keep_a_report_from_being_told(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.state.mkdir()
    (office.state / "outbox").write_text("in the way")
    claimed, outbox = claim(office), Outbox(office.state)
    lease = as_async(office.account).with_key(claimed.lease.token)
    await Delivery(outbox.put(letter_of(claimed, office.account_id)), lease, fresh=True).run()
    assert "is not safe on disk" in caplog.text
    assert office.owner.workers.get(id=claimed.id).status is WorkerStatus.COMPLETED


@pytest.mark.parametrize(
    ("error", "bounded"), [(InternalError, True), (ConfigError, True), (Unavailable, False)]
)
async def test_a_faulty_server_is_asked_for_a_while_and_one_that_is_away_for_ever(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception], bounded: bool
) -> None:
    monkeypatch.setattr(retry, "_FAULT", 0.5)
    monkeypatch.setattr(retry, "_LONGEST", 0.25)
    calls = 0

    async def call() -> None:
        nonlocal calls
        calls += 1
        raise error

    with anyio.move_on_after(3) as patience:
        with pytest.raises(error):
            await persist(call)
    assert calls > 1
    assert patience.cancelled_caught is not bounded


async def test_a_drain_leaves_the_report_that_no_server_hears(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_LAST_REPORTS", 0.2)
    task, begun, gate = office.task(), anyio.Event(), anyio.Event()

    async def handle(session: Session) -> dict[str, int]:
        begun.set()
        await gate.wait()
        return {"answer": 42}

    with serving(office.broker) as port:
        client = connect_async(f"http://127.0.0.1:{port}", api_key=office.key)
        options = AgentOptions(state_dir=office.state)
        agent = Agent(client, FunctionExecutor(handle), options)
        group = anyio.create_task_group()
        await group.__aenter__()
        group.start_soon(agent.run)
        await begun.wait()
    gate.set()
    letters = partial((office.state / "outbox").glob, "*.json")
    await anyio.to_thread.run_sync(until, lambda: any(letters()))
    agent.drain()
    agent.drain()
    await group.__aexit__(None, None, None)
    await client.aclose()
    assert office.read(task).status is TaskStatus.RUNNING
    await deliver(office, Outbox(office.state))
    assert office.read(task).status is TaskStatus.COMPLETED


def test_a_killed_agent_s_report_is_told_by_the_next_one(
    open_office: OfficeMaker, remote: Path, tmp_path: Path
) -> None:
    office, gate = open_office(repo=str(remote)), tmp_path / "gate"
    task = office.task()
    with ExitStack() as stack:
        with serving(office.broker) as port:
            agents = stack.enter_context(Agents(office, f"http://127.0.0.1:{port}", tmp_path))
            first = agents.start(WAIT_FOR_A_FILE, "--pass-env=GATE", GATE=str(gate))
            until(lambda: begun(office))
        gate.touch()
        until(lambda: any((office.state / "outbox").glob("*.json")))
        first.send_signal(signal.SIGKILL)
        agents.end(first)
        branch = office.worker(task).branch
        assert git(remote, "branch", "--list", branch) == "", "no word of the server, no push"
        stack.enter_context(serving(office.broker, port))
        code, told = agents.end(agents.start("false", GITHUB_ACTIONS="true"))
    assert (code, "told an earlier agent's report (complete)" in told) == (0, True)
    done = office.read(task)
    assert (done.status, done.attempt) == (TaskStatus.COMPLETED, 1)
    assert git(remote, "show", f"{branch}:work.txt") == "work"
    shown = office.owner.artifacts.list(worker_id=office.worker(task).id)
    assert sorted(each.type for each in shown) == ["diff", "summary"]
    assert not any((office.state / "outbox").iterdir())
