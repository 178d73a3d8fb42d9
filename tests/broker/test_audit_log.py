"""The audit log: every call that changed something stands in it once, and no change of it goes unnoticed."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from buildd import chain
from buildd import operations as ops
from buildd.broker import ADMIN, Broker, BrokerSettings, Means, Origin, Principal, auditing
from buildd.chain import GENESIS, Head, Verdict
from buildd.errors import BuilddError, Invalid, LeaseLost, NotFound
from buildd.models import AuditEntry, PullRequest
from buildd.operations import OPERATIONS, TRANSFERS, Method, Upload
from buildd.roles import PullRequestOrder
from buildd.store import Transaction, audit, database_of
from buildd.store.sql.audit_log import HEAD
from buildd.store.statement import Statement
from buildd.store.tables import audit_entry, delivery, setting
from buildd.telling import HookType
from buildd.testing import FrozenClock
from buildd_server.app import create_app
from buildd_server.settings import Settings
from tests.broker.conftest import House
from tests.dispatch.platform import NAME, Platform
from tests.faults.seam import Step, faulty
from tests.patience import PATIENCE
from tests.tenancy.routes import routes

THERE = Origin("192.0.2.7", "req-1", None)

UNRECORDED = {
    ops.Heartbeat: "a sign of life, some each minute; what it reports, the events tell",
    ops.AskWorker: "said by an attempt: the events tell it, and the answer is on record",
    ops.CreateArtifact: "shown by an attempt: the events tell it",
    ops.CreateMessages: "said by an attempt: the events tell it",
    ops.UploadArtifact: "shown by an attempt: the events tell it",
    ops.ReportWorkers: "its reports are on record one by one, each under its own lease",
}
"""What changes something and leaves no entry, whoever calls."""
BY_HAND = {
    ("POST", "/api/auth/session"): "beginSession",
    ("DELETE", "/api/auth/session"): "endSession",
    ("POST", "/api/auth/github-oidc"): "logInRun",
    ("POST", "/api/webhooks/github/{source_id}"): "hearWebhook",
    ("POST", "/api/auth/ticket"): None,  # it lets its holder read once what he may read anyway
    ("POST", "/mcp"): None,  # its tools are operations
}
"""What no operation stands behind, and how it is called in the log."""
CALLS: tuple[Any, ...] = (*OPERATIONS, *TRANSFERS)
CHANGING = {call for call in CALLS if call.http.method is not Method.GET}


class Forge:
    """Opens everything."""

    def open_pull_request(self, order: PullRequestOrder) -> PullRequest:
        return PullRequest(
            number=1, url="https://git.example.com/1", branch=order.branch, base="main"
        )


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    settings = BrokerSettings(
        forge=Forge(), means=Means(Platform().make, "http://127.0.0.1:1"), blobs=tmp_path / "blobs"
    )
    with closing(Broker.open(database_url, settings)) as broker:
        yield House(broker, FrozenClock())
    assert audit(database_url, tmp_path / "blobs") == []


class Register:
    """Has things done, and holds each to its entry."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.seen: set[Any] = set()
        self._read = entries(house.broker)[0].seq

    def __call__(self, call: Any, who: Principal = ADMIN) -> Any:
        answer = self._perform(call, who)
        [entry] = self.fresh()
        name = type(call).__name__
        assert entry.action == name[0].lower() + name[1:]
        assert (entry.actor, entry.account_id, entry.key_id, entry.worker_id) == (
            who.kind,
            who.account_id,
            who.key_id,
            who.worker_id,
        )
        assert (entry.address, entry.request_id) == (THERE.address, THERE.request_id)
        assert {getattr(call, name) for name in call.http.path_fields} <= set(entry.subjects)
        self.seen.add(type(call))
        return answer

    def silently(self, call: Any, who: Principal) -> Any:
        """It changes something, and leaves no entry."""
        answer = self._perform(call, who)
        assert self.fresh() == []
        assert type(call) in UNRECORDED or not auditing.is_audited(type(call), who.kind)
        return answer

    def fresh(self) -> list[AuditEntry]:
        """What was added since the last time."""
        found = [each for each in entries(self.house.broker, limit=9) if each.seq > self._read]
        self._read += len(found)
        return found

    def _perform(self, call: Any, who: Principal) -> Any:
        if not isinstance(call, Upload):
            return self.house.broker.execute(call, who, THERE)
        with self.house.broker.receive(call, who, origin=THERE).result() as reception:
            reception.write(b"bytes")
            return reception.commit()


def entries(broker: Broker, **wanted: Any) -> list[AuditEntry]:
    return broker.execute(ops.ListAuditEntries(**wanted), ADMIN)


def verify(broker: Broker, kept: Head = GENESIS) -> Verdict:
    return chain.verify(_all(broker), kept)


def _all(broker: Broker, at_once: int = 3) -> Iterator[AuditEntry]:
    page = entries(broker, limit=at_once)
    while page:
        yield from page
        page = entries(broker, limit=at_once, cursor=page[-1].id)


def test_each_call_that_changes_something_leaves_one_entry(house: House) -> None:
    do = Register(house)
    _accounts(do)
    _capacity(do)
    _work(do)
    _places(do)
    assert do.seen == CHANGING - UNRECORDED.keys()
    assert verify(house.broker).broken is None


def _accounts(do: Register) -> None:
    account = do(ops.CreateAccount(type="user", name="a"))
    do(ops.UpdateAccount(id=account.id, name="b"))
    do(ops.DrainAccount(id=account.id))
    key = do(ops.CreateKey(account_id=account.id))
    rotated = do(ops.RotateKey(account_id=account.id, id=key.id))
    do(ops.RevokeKey(account_id=account.id, id=rotated.id))
    key = do(ops.CreateAdminKey())
    do(ops.RevokeAdminKey(id=do(ops.RotateAdminKey(id=key.id)).id))
    token = do(ops.CreateEnrolment(account_id=account.id)).token
    do(ops.Enrol(), do.house.broker.authenticate(token).result())
    grant = {"account_id": account.id, "workspace_id": do.house.workspace.id}
    do(ops.GrantWorkspace(**grant))
    do(ops.RevokeGrant(**grant))
    do(ops.DeleteAccount(id=account.id))


def _capacity(do: Register) -> None:
    owner = do.house.account("service")
    do.fresh()
    pool = do(ops.CreatePool(name="p", account_id=owner.account_id, runner=NAME, enabled=False))
    do(ops.UpdatePool(id=pool.id, maximum=2))
    do(ops.CheckPool(id=pool.id))
    do(ops.ReapPool(id=pool.id))
    do.house.admin(ops.ReapPool(id=pool.id, dry_run=True))
    assert do.fresh() == []
    do(ops.StopLaunch(id=do.house.launch(pool).id))
    do(ops.DeletePool(id=do(ops.CreatePool(name="q", account_id=owner.account_id, runner=NAME)).id))


def _work(do: Register) -> None:
    workspace = do.house.workspace.id
    new: Any = {"workspace_id": workspace, "title": "t"}
    me = do.house.account()
    do.house.admin(ops.UpdateWorkspace(id=workspace, repo="https://git.example.com/acme/shop"))
    do.fresh()

    def held(call: Any) -> tuple[Any, Principal]:
        claimed = do(call, me)
        [worker] = getattr(claimed, "workers", [claimed])
        return worker, do.house.broker.authenticate(worker.lease.token).result()

    task = do(ops.CreateTask(**new))
    do(ops.UpdateTask(id=task.id, title="u"))
    [other] = do(ops.CreateTasks(tasks=[new]))
    do(ops.CancelTask(id=other.id))
    do(ops.RetryTask(id=other.id))
    do(ops.DeleteTask(id=other.id))
    public = do(ops.CreateTask(**new, trust="public"))
    do(ops.ApproveTask(id=public.id))

    worker, lease = held(ops.ClaimTasks(task_id=task.id))
    do.silently(ops.StartWorker(id=worker.id), lease)
    do.silently(ops.Heartbeat(id=worker.id, status="running"), lease)
    do.silently(ops.AskWorker(id=worker.id, type="question", prompt="?"), lease)
    do(ops.AnswerWorker(id=worker.id, content="!"))
    said = do.silently(ops.CreateMessage(worker_id=worker.id, content="so"), lease)
    do.silently(ops.UploadAttachment(message_id=said.id), lease)
    do.silently(
        ops.CreateMessages(worker_id=worker.id, messages=[ops.BatchedMessage(content="so")]), lease
    )
    do(ops.UploadAttachment(message_id=do(ops.CreateMessage(worker_id=worker.id, content="?")).id))
    do.silently(ops.UploadArtifact(worker_id=worker.id), lease)
    shown = do.silently(ops.CreateArtifact(worker_id=worker.id, type="summary", content="s"), lease)
    comment = do(ops.CreateComment(artifact_id=shown.id, content="c"))
    do(ops.UpdateComment(id=comment.id, resolved=True))
    do(ops.OpenPullRequest(id=worker.id, title="t"), lease)
    do(ops.CompleteWorker(id=worker.id), lease)

    worker, _ = held(ops.CreateWorker(workspace_id=workspace, task_id=public.id))
    do(ops.PauseWorker(id=worker.id))
    do(ops.StartWorker(id=worker.id))
    do(ops.CancelWorker(id=worker.id))
    task = do(ops.CreateTask(**new))
    _, lease = held(ops.ClaimTasks(task_id=task.id))
    do(ops.ReleaseTask(id=task.id, reason="drain"), lease)
    worker, lease = held(ops.ClaimTasks(task_id=task.id))
    do(ops.FailWorker(id=worker.id, error="e", retryable=False), lease)


def _places(do: Register) -> None:
    workspace = do(ops.CreateWorkspace(name="n")).id
    do(ops.UpdateWorkspace(id=workspace, name="m"))
    config = {"repository": "acme/shop"}
    source = do(ops.CreateSource(workspace_id=workspace, type="github", name="s", config=config)).id
    do(ops.UpdateSource(id=source, name="r"))
    do(ops.RevealSecret(id=source))
    do(ops.DeleteSource(id=source))
    task = {"title": "t"}
    schedule = do(
        ops.CreateSchedule(workspace_id=workspace, name="s", cron="0 0 * * *", task=task)
    ).id
    do(ops.UpdateSchedule(id=schedule, name="r"))
    do(ops.DeleteSchedule(id=schedule))
    hook = do(ops.CreateHook(url="https://hooks.example.com/x")).id
    do(ops.UpdateHook(id=hook, types=[HookType.FAILED]))
    do(ops.RotateHook(id=hook))
    sent = do(ops.TestHook(id=hook)).id
    over = sa.update(delivery).values(status="failed", ended_at=datetime.now(UTC))
    do.house.broker._store.write(
        lambda tx: tx.run(Statement(over, ("status", "ended_at")))
    ).result()
    do(ops.Redeliver(hook_id=hook, id=sent))
    do(ops.DeleteHook(id=hook))
    do(ops.DeleteWorkspace(id=workspace))


def test_every_other_route_is_known(database_url: str) -> None:
    """A route that is written by hand and changes something says how it stands in the log."""
    with closing(Broker.open(database_url)) as broker:
        found = routes(create_app(broker, Settings()))
    of_operations = {(call.http.method.value, call.http.path) for call in CHANGING}
    reading = {route for route in found if route[0] in {"GET", "HEAD", "OPTIONS"}}
    told = {("POST", path) if method == "*" else (method, path) for method, path in found - reading}
    assert told - of_operations == BY_HAND.keys()


def test_what_is_refused_or_finds_nothing_leaves_no_entry(house: House) -> None:
    me = house.account()
    start = entries(house.broker)
    assert house.claim(me).workers == []
    with pytest.raises(NotFound):
        house.admin(ops.CancelTask(id="task_none"))
    with pytest.raises(BuilddError):
        house.broker.execute(ops.CreateAdminKey(), me)
    assert entries(house.broker) == start


def test_what_is_refused_after_it_changed_something_leaves_an_entry(house: House) -> None:
    house.task()
    claimed, lease = house.running(house.account())
    house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    with pytest.raises(LeaseLost):
        house.broker.execute(ops.FailWorker(id=claimed.id, error="e"), lease)
    assert [each.outcome for each in entries(house.broker, limit=2)] == ["lease_lost", "done"]


def test_what_is_taken_back_takes_its_entry_along(house: House) -> None:
    start = entries(house.broker)

    def break_off(tx: Transaction) -> None:
        auditing.note(house.broker._context(tx, ADMIN), "createTask", [])
        raise NotFound

    with pytest.raises(NotFound):
        house.broker._store.write(break_off).result()
    assert entries(house.broker) == start


def test_the_reports_of_a_batch_stand_alone(house: House) -> None:
    me = house.account()
    held = []
    for _ in range(2):
        house.task()
        held.append(house.running(me)[0])
    start = entries(house.broker)[0].seq
    reports = [{"verb": "complete", "id": each.id, "token": each.lease.token} for each in held]
    reports += [{"verb": "heartbeat", "id": held[0].id, "token": held[0].lease.token}]
    house.broker.execute(ops.ReportWorkers(reports=reports), me, THERE)
    fresh = [each for each in entries(house.broker) if each.seq > start][::-1]
    assert [(each.action, each.worker_id) for each in fresh] == [
        ("completeWorker", each.id) for each in held
    ]
    assert {each.address for each in fresh} == {THERE.address}


def test_a_browsers_login_and_logout_are_on_record(house: House) -> None:
    me = house.account()
    issued = house.broker.sessions.begin(me, THERE).result()
    browser = house.broker.sessions.admit(issued.secret).result()
    house.broker.execute(ops.CreateTask(workspace_id=house.workspace.id, title="t"), browser)
    house.broker.sessions.end(browser, THERE).result()
    ended, made, began = entries(house.broker, limit=3)
    assert [each.action for each in (began, made, ended)] == [
        "beginSession",
        "createTask",
        "endSession",
    ]
    assert {each.key_id for each in (began, made, ended)} == {me.key_id}
    assert began.session
    assert {each.session for each in (began, made, ended)} == {began.session}
    assert (began.address, ended.address) == (THERE.address, THERE.address)


def test_entries_are_found_by_who_and_what_they_are_about(house: House) -> None:
    me, task = house.account(), house.task()
    claimed, lease = house.running(me)
    house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)

    def actions(about: str | None) -> list[str]:
        return [each.action for each in entries(house.broker, about=about)]

    assert actions(task.id) == ["completeWorker", "claimTasks", "createTask"]
    assert actions(me.key_id) == ["claimTasks", "createAccount"]
    assert actions("task_none") == []
    assert [each.subjects for each in entries(house.broker, action="claimTasks")] == [
        [claimed.id, task.id]
    ]


def test_no_secret_is_in_a_digest() -> None:
    """A digest of something short could be guessed: what is secret is in no call that has one."""
    secret = {
        (call.__name__, name)
        for call in CHANGING - UNRECORDED.keys()
        for name, field in call.model_fields.items()
        if not field.repr
    }
    assert secret == set()


def test_the_database_itself_refuses_a_change(database_url: str) -> None:
    other = (
        "TRUNCATE audit_entry"
        if database_url.startswith("postgres")
        else "INSERT OR REPLACE INTO audit_entry SELECT * FROM audit_entry WHERE seq = 1"
    )
    with closing(Broker.open(database_url)) as broker:
        House(broker, FrozenClock())
        before = entries(broker)
        for statement in (
            "UPDATE audit_entry SET actor = 'x'",
            "UPDATE audit_entry SET seq = seq",
            "DELETE FROM audit_entry WHERE seq = 1",
            "DELETE FROM audit_entry",
            other,
        ):
            with pytest.raises(sa.exc.DBAPIError, match="audit log is only added to"):
                _as_owner(database_url, statement)
        assert entries(broker) == before


def test_servers_can_work_under_a_role_that_cannot_lift_that(postgres_url: str) -> None:
    """As the page on auditing says: it owns nothing, and has all rights but to change the log."""
    Broker.open(postgres_url).close()
    _as_owner(
        postgres_url,
        "CREATE ROLE server LOGIN",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO server",
        "REVOKE UPDATE, DELETE ON audit_entry FROM server",
    )
    role = postgres_url.replace("user=postgres", "user=server")
    with closing(Broker.open(role)) as broker:
        House(broker, FrozenClock()).task()
        for statement in (
            "DELETE FROM audit_entry",
            "TRUNCATE audit_entry",
            "DROP TRIGGER audit_entry_no_change ON audit_entry",
            "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
            "SET session_replication_role = replica",
        ):
            with pytest.raises(sa.exc.ProgrammingError, match=r"permission denied|must be owner"):
                _as_owner(role, statement)
        assert verify(broker).links == 2
    _as_owner(postgres_url, "DROP OWNED BY server", "DROP ROLE server")


def _as_owner(url: str, *statements: str) -> None:
    engine = sa.create_engine(database_of(url).url)
    try:
        with engine.begin() as connection:
            for each in statements:
                connection.execute(sa.text(each))
    finally:
        engine.dispose()


def _without_triggers(url: str) -> Iterator[str]:
    on_postgres = url.startswith("postgres")
    for name in ("change", "truncate") if on_postgres else ("update", "delete", "replace"):
        yield f"DROP TRIGGER audit_entry_no_{name}" + (" ON audit_entry" if on_postgres else "")


def _sealed_again(written: list[AuditEntry], first: int, last: int) -> Iterator[str]:
    """Change an entry, and write the hashes anew up to another one."""
    rows = {each.seq: each for each in written}
    previous = rows[first].previous
    for seq in range(first, last + 1):
        actor = "lease" if seq == first else "admin"
        new = rows[seq].model_copy(update={"previous": previous, "actor": actor}).sealed()
        changes = f"actor = '{actor}', previous = '{previous}', hash = '{new}'"
        yield f"UPDATE audit_entry SET {changes} WHERE seq = {seq}"  # noqa: S608 - our own text
        previous = new


def _moved(*moves: tuple[int, int]) -> Iterator[str]:
    for old, new in moves:
        yield f"UPDATE audit_entry SET seq = {new} WHERE seq = {old}"  # noqa: S608 - our own text


def _copied(old: int, new: int) -> str:
    rest = ", ".join(column.name for column in audit_entry.c if column.name != "seq")
    return f"INSERT INTO audit_entry SELECT {new}, {rest} FROM audit_entry WHERE seq = {old}"  # noqa: S608 - our own text


class Attack(NamedTuple):
    """What somebody could do to eight entries, and the first of them that is broken then."""

    statements: Iterable[str]
    broken: int
    whole: bool = False
    """Whether what is left is a chain too, and only a head that was kept tells that it is another one."""


def _attacks(written: list[AuditEntry]) -> Iterator[Attack]:
    yield Attack(["UPDATE audit_entry SET actor = 'account' WHERE seq = 3"], 3)
    yield Attack(["UPDATE audit_entry SET address = '1' WHERE seq = 8"], 8)
    yield Attack(["UPDATE audit_entry SET request_id = NULL, outcome = 'x' WHERE seq = 1"], 1)
    yield Attack(["UPDATE audit_entry SET at = '2020-01-01 00:00:00.000000' WHERE seq = 3"], 3)
    yield Attack(["DELETE FROM audit_entry WHERE seq = 3"], 3)
    yield Attack(["DELETE FROM audit_entry WHERE seq < 3"], 1)
    yield Attack([_copied(8, 9)], 9)
    yield Attack([*_moved((8, 9), (7, 8), (6, 7), (5, 6), (4, 5)), _copied(3, 4)], 4)
    yield Attack(_moved((3, -1), (4, 3), (-1, 4)), 3)
    yield Attack(_sealed_again(written, 3, 3), 4)
    yield Attack(_sealed_again(written, 3, 8), 8, whole=True)
    yield Attack(["DELETE FROM audit_entry WHERE seq > 6"], 7, whole=True)
    yield Attack(["DELETE FROM audit_entry"], 1, whole=True)


def test_what_somebody_changed_who_has_the_database_is_found(database_url: str) -> None:
    with closing(Broker.open(database_url)) as broker:
        for number in range(8):
            broker.execute(ops.CreateWorkspace(name=f"w{number}"), ADMIN, THERE)
        sound, written = verify(broker), entries(broker)
        assert (sound.links, sound.head.seq, sound.broken) == (8, 8, None)
        _as_owner(database_url, *_without_triggers(database_url))
        _as_owner(database_url, "CREATE TABLE kept AS SELECT * FROM audit_entry")
        for attack in _attacks(written):
            _as_owner(database_url, *attack.statements)
            found = verify(broker, sound.head).broken
            assert (attack, found and found.seq) == (attack, attack.broken)
            assert (attack, verify(broker).broken is None) == (attack, attack.whole)
            back = "INSERT INTO audit_entry SELECT * FROM kept"
            _as_owner(database_url, "DELETE FROM audit_entry", back)
        assert verify(broker, sound.head) == sound


def test_a_log_that_grew_holds_what_was_kept(house: House) -> None:
    kept = verify(house.broker).head
    house.task()
    assert verify(house.broker, kept).broken is None
    assert verify(house.broker, Head(kept.seq, "f" * 64)).broken is not None
    assert verify(house.broker, chain.head_of(str(verify(house.broker).head))).broken is None


def test_an_empty_log_is_sound(database_url: str) -> None:
    with closing(Broker.open(database_url)) as broker:
        assert verify(broker) == Verdict(0, GENESIS, None)


@pytest.mark.parametrize("text", ["", "1", "x:" + "0" * 64, "-1:" + "0" * 64, "1:" + "0" * 63])
def test_what_is_no_head(text: str) -> None:
    with pytest.raises(Invalid, match="SEQ:HASH"):
        chain.head_of(text)


def test_anybody_can_check_a_seal(house: House) -> None:
    """With nothing of buildd, on what the API answers: as the page on auditing says."""
    house.admin(ops.CreateWorkspace(name="ü"))
    for answer in json.loads(
        ops.ListAuditEntries.answer().dump_json(entries(house.broker), by_alias=True)
    ):
        given = {k: v for k, v in answer.items() if v is not None and k != "hash"}
        text = json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(text.encode()).hexdigest() == answer["hash"]


@pytest.mark.parametrize("microsecond", [0, 1, 120_000])
def test_a_seal_does_not_depend_on_the_release(microsecond: int) -> None:
    """Whoever changes this makes every log there is look broken."""
    entry = AuditEntry(
        seq=7,
        at=datetime(2026, 1, 31, 8, 0, 0, microsecond, UTC),
        actor="account",
        key_id="key_1",
        action="createTask",
        subjects=["ws_1", "task_1"],
        outcome="done",
        digest="d",
        previous="p",
        hash="",
    )
    fraction = {0: "", 1: ".000001", 120_000: ".120000"}[microsecond]
    text = (
        f'{"{"}"action":"createTask","actor":"account","at":"2026-01-31T08:00:00{fraction}Z","digest":"d",'
        '"keyId":"key_1","outcome":"done","previous":"p","seq":7,"subjects":["ws_1","task_1"]}'
    )
    assert entry.sealed() == hashlib.sha256(text.encode()).hexdigest()
    assert chain.stamp(entry.at) == f"2026-01-31T08:00:00{fraction}Z"


def test_several_servers_write_one_chain(database_url: str) -> None:
    """Two brokers, with two writers each on Postgres: no fork, no gap, no deadlock."""
    with closing(Broker.open(database_url)) as one, closing(Broker.open(database_url)) as other:
        workspace = one.execute(ops.CreateWorkspace(name="w"), ADMIN)

        def work(number: int) -> None:
            broker = (one, other)[number % 2]
            for _ in range(12):
                broker.execute(ops.CreateTask(workspace_id=workspace.id, title="t"), ADMIN)
                broker.execute(ops.CreateAdminKey(), ADMIN)  # tells no event

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
        verdict = chain.verify(_all(one, 200))
    assert (verdict.links, verdict.head.seq, verdict.broken) == (193, 193, None)


def test_a_commit_of_many_calls_costs_three_statements(database_url: str) -> None:
    held, at_it = threading.Event(), threading.Event()
    said: list[str] = []

    def note(text: str, step: Step) -> Any:
        if "audit_entry" in text or "setting" in text:
            said.append(text)
        if text.startswith("BEGIN"):
            at_it.set()
            assert held.wait(PATIENCE)
        return step()

    held.set()
    database = faulty(database_url, note)
    with closing(Broker(database, BrokerSettings())) as broker:
        broker.reaper.close()
        broker.housekeeper.close()
        for writer in range(database.writers):
            broker.execute(ops.CreateWorkspace(name=f"w{writer}"), ADMIN)
        start = entries(broker)[0].seq
        held.clear()
        at_it.clear()
        said.clear()
        first = [
            broker.submit(ops.CreateWorkspace(name="x"), ADMIN) for _ in range(database.writers)
        ]
        assert at_it.wait(PATIENCE)
        rest = [broker.submit(ops.CreateWorkspace(name="y"), ADMIN) for _ in range(40)]
        held.set()
        for each in (*first, *rest):
            each.result()
        commits = len({each.at for each in entries(broker, limit=200) if each.seq > start})
        assert entries(broker)[0].seq == start + len(first) + len(rest)
    assert commits < 6
    assert len(said) == 3 * commits


def test_without_its_entry_nothing_happens(house: House) -> None:
    """The log is written in the transaction that it tells of: if it cannot be, nothing is."""
    store = house.broker._store
    head = str(verify(house.broker).head)
    move = Statement(sa.update(setting).where(setting.c.name == HEAD), ("value",))
    store.write(lambda tx: tx.run(move, value=str(GENESIS))).result()
    with pytest.raises(BuilddError):  # the place is taken
        house.task()
    store.write(lambda tx: tx.run(move, value=head)).result()
    assert house.admin(ops.ListTasks()) == []
