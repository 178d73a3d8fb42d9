"""Keys: what each is good for and for how long, what replaces it, and what of it is anywhere to be found."""

from __future__ import annotations

import os
import random
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from buildd import operations as ops
from buildd.broker import (
    ADMIN,
    Broker,
    BrokerSettings,
    Principal,
    PrincipalKind,
    _policy,
    last_used,
    principals,
)
from buildd.errors import BuilddError, Forbidden, NotAuthenticated, NotFound, WrongState
from buildd.events import Filter
from buildd.ids import Secret, new_secret, secret_kind
from buildd.models import NewKey
from buildd.operations import OPERATIONS, TRANSFERS, Access, Method, Operation
from buildd.operations.workers import BatchedSuccess
from buildd.scopes import OF_ACCOUNTS, Scope
from tests.broker.conftest import House
from tests.broker.test_feed import Listener

LONG = "BUILDD_LONG" in os.environ
MANY = 100_000 if LONG else 2_000
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "manage-keys.md"
CLAIMS = {ops.ClaimTasks, ops.CreateWorker, ops.ReportWorkers}
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def key_of(house: House, account: Principal, **terms: Any) -> NewKey:
    return house.admin(ops.CreateKey(account_id=account.account_id, **terms))


@contextmanager
def another(house: House) -> Iterator[Broker]:
    """A second broker of the same database."""
    url = house.broker._store.database.url
    with closing(Broker.open(url, BrokerSettings(clock=house.clock))) as broker:
        yield broker


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(BuilddError) as caught:
        call()
    return f"{type(caught.value).__name__}: {caught.value}"


def test_every_verb_needs_one_scope() -> None:
    verbs: tuple[Any, ...] = (*OPERATIONS, *TRANSFERS)
    for verb in verbs:
        kinds = _policy.ALLOWED[verb.access] & {PrincipalKind.ADMIN, PrincipalKind.ACCOUNT}
        for kind in kinds:
            found = {scope for scope in Scope if not _refused(verb, kind, scope)}
            assert found == _needed(verb), verb


def _needed(verb: Any) -> set[Scope]:
    """The scopes of which each is enough."""
    if verb.http.method is Method.GET:
        return {*Scope} if verb is ops.GetMe else {Scope.READ}
    if verb in CLAIMS:
        return {Scope.CLAIM}
    return {Scope.ADMIN} if verb.access is Access.ADMIN else {Scope.CREATE}


def _refused(verb: Any, kind: PrincipalKind, scope: Scope) -> str | None:
    try:
        _policy.check(verb.model_construct(), Principal(kind, scopes=frozenset({scope})))
    except Forbidden as refused:
        assert str(refused).endswith(f"; this one has: {scope}")  # noqa: PT017
        return str(refused)
    return None


def test_a_key_does_what_its_scopes_say_and_nothing_else(house: House) -> None:
    account, broker = house.account(), house.broker
    deeds: dict[str, Callable[[Principal], object]] = {
        "read": lambda who: broker.execute(ops.ListTasks(), who),
        "create": lambda who: broker.execute(
            ops.CreateTask(workspace_id=house.workspace.id, title="Mine"), who
        ),
        "claim": lambda who: broker.execute(ops.ClaimTasks(), who),
    }
    for scope in OF_ACCOUNTS:
        made = key_of(house, account, scopes=[scope])
        caller = broker.authenticate(made.api_key).result()
        assert broker.execute(ops.GetMe(), caller).id == account.account_id
        done = []
        for name, deed in deeds.items():
            try:
                deed(caller)
            except Forbidden as refused:
                assert str(refused).endswith(f"scope {name}; this one has: {scope}")  # noqa: PT017
            else:
                done.append(name)
        assert done == [scope]
    listening = broker.authenticate(key_of(house, account, scopes=["claim"]).api_key).result()
    with pytest.raises(Forbidden, match="scope read"):
        broker.subscribe(listening, None, Filter(), print)


def test_an_administrators_key_may_be_one_that_only_looks(house: House) -> None:
    made = house.admin(ops.CreateAdminKey(name="the board", scopes=[Scope.READ]))
    board = house.broker.authenticate(made.api_key).result()
    assert house.broker.execute(ops.ListAccounts(), board) == []
    assert [key.name for key in house.broker.execute(ops.ListAdminKeys(), board)] == ["the board"]
    for change in (ops.CreateAccount(type="user", name="Eve"), ops.CreateAdminKey()):
        with pytest.raises(Forbidden, match="scope admin; this one has: read"):
            house.broker.execute(change, board)


def test_a_key_without_terms_has_all_that_its_holder_can_have(house: House) -> None:
    account = house.account()
    made, admins = key_of(house, account), house.admin(ops.CreateAdminKey())
    assert (made.scopes, made.expires_at, made.name) == ([*OF_ACCOUNTS], None, None)
    assert (admins.scopes, admins.account_id) == ([*Scope], None)
    listed = house.admin(ops.ListKeys(account_id=account.account_id))
    assert [key.id for key in listed] == [made.id, account.key_id]
    [key, _] = listed
    assert key.model_dump() == made.model_dump(exclude={"api_key"})
    [older] = house.admin(ops.ListKeys(account_id=account.account_id, limit=1, cursor=made.id))
    assert older.id == account.key_id
    with pytest.raises(NotFound):
        house.admin(ops.ListKeys(account_id="acc_nothing"))


def test_a_key_works_until_it_expires(house: House) -> None:
    made = key_of(house, house.account(), expires_in_seconds=60)
    house.clock.advance(59)
    with another(house) as elsewhere:
        for broker in (house.broker, elsewhere):
            caller = broker.authenticate(made.api_key).result()
        waiting = elsewhere.submit(ops.ClaimTasks(wait_seconds=60), caller)
        house.clock.advance(1)
        house.broker._doors.forget(caller.account_id)
        said = refusal(house.broker.authenticate(made.api_key).result)
        assert said == "NotAuthenticated: this key expired at 2026-01-01 12:01:00 UTC"
        task = house.task()  # and what waited under the key does not get it
        assert refusal(waiting.result) == said
        assert house.see(task).status == "pending"


def test_a_key_is_remembered_no_longer_than_it_works(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(principals, "elapsed", lambda: now[0])
    made = key_of(house, house.account(), expires_in_seconds=2)
    for _ in range(2):
        assert house.broker.authenticate(made.api_key).result().key_id == made.id
        now[0] += 1
        house.clock.advance(1)
    assert "expired" in refusal(house.broker.authenticate(made.api_key).result)


def test_a_stream_ends_when_its_key_expires(house: House) -> None:
    made = key_of(house, house.account(), expires_in_seconds=1)
    with another(house) as elsewhere:
        caller = elsewhere.authenticate(made.api_key).result()
        listeners = [Listener(broker, caller) for broker in (house.broker, elsewhere)]
        house.clock.advance(1)
        for listener in listeners:
            assert "expired" in refusal(listener.until_refused)


def test_a_rotated_key_works_beside_its_successor_for_the_overlap(house: House) -> None:
    account = house.account()
    old = key_of(house, account, name="CI", scopes=["read"], expires_in_seconds=1000)
    house.clock.advance(100)
    rotate = ops.RotateKey(account_id=account.account_id, id=old.id, overlap_seconds=60)
    new = house.admin(rotate)
    assert (new.name, new.scopes, new.account_id) == (old.name, old.scopes, old.account_id)
    assert new.expires_at == new.created_at + timedelta(seconds=1000)
    row = house.admin(ops.ListKeys(account_id=account.account_id))[1]
    assert (row.id, row.replaced_by) == (old.id, new.id)
    assert row.expires_at == new.created_at + timedelta(seconds=60)
    for key in (old, new):
        assert house.broker.authenticate(key.api_key).result().key_id == key.id
    house.clock.advance(60)
    house.broker._doors.forget(account.account_id)
    assert "expired" in refusal(house.broker.authenticate(old.api_key).result)
    assert house.broker.authenticate(new.api_key).result().scopes == {Scope.READ}


def test_a_rotation_without_overlap_ends_the_old_key_everywhere_at_once(house: House) -> None:
    old = house.admin(ops.CreateAdminKey(scopes=[Scope.READ, Scope.ADMIN]))
    with another(house) as elsewhere:
        listeners = [
            Listener(broker, broker.authenticate(old.api_key).result())
            for broker in (house.broker, elsewhere)
        ]
        new = house.admin(ops.RotateAdminKey(id=old.id, overlap_seconds=0))
        for listener in listeners:
            assert "expired" in refusal(listener.until_refused)
        for broker in (house.broker, elsewhere):
            assert "expired" in refusal(broker.authenticate(old.api_key).result)
            assert broker.authenticate(new.api_key).result().scopes == {Scope.READ, Scope.ADMIN}
    assert house.broker.has_admin_key().result()


def test_time_alone_never_opens_a_server_to_whoever_needs_no_key(house: House) -> None:
    house.admin(ops.CreateAdminKey(expires_in_seconds=1))
    house.clock.advance(1)
    assert house.broker.has_admin_key().result()


def test_a_key_that_is_over_or_was_rotated_is_not_rotated(house: House) -> None:
    account = house.account()
    owner = str(account.account_id)
    revoked, expired, rotated = (key_of(house, account, expires_in_seconds=9) for _ in range(3))
    house.admin(ops.RevokeKey(account_id=owner, id=revoked.id))
    successor = house.admin(ops.RotateKey(account_id=owner, id=rotated.id))

    def rotation(key: str, whose: str = owner) -> str:
        return refusal(lambda: house.admin(ops.RotateKey(account_id=whose, id=key)))

    assert rotation(revoked.id) == "WrongState: this key was revoked: make a new one"
    again = f"WrongState: this key was rotated already: rotate {successor.id}"
    assert rotation(rotated.id) == again
    house.clock.advance(9)
    assert rotation(expired.id) == "WrongState: this key has expired: make a new one"
    stranger, admins = str(house.account().account_id), house.admin(ops.CreateAdminKey())
    for key, whose in ((revoked.id, stranger), (admins.id, owner), ("key_nothing", owner)):
        assert rotation(key, whose) == "NotFound: there is no such key"
    for refused in (ops.RotateAdminKey(id=revoked.id), ops.RevokeAdminKey(id=revoked.id)):
        with pytest.raises(NotFound):
            house.admin(refused)
    assert WrongState is not NotFound


def test_when_a_key_was_used_is_written_once_a_minute(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(last_used, "elapsed", lambda: now[0])
    house.broker.housekeeper.close()
    noted = house.broker._doors.last_used
    noted.write()
    account = house.account()
    made, unused = key_of(house, account), key_of(house, account)

    def seen() -> dict[str, Any]:
        keys = house.admin(ops.ListKeys(account_id=account.account_id))
        return {key.id: key.last_used_at for key in keys}

    def use(times: int) -> int:
        for _ in range(times):
            house.broker.authenticate(made.api_key).result()
        return noted.write()

    first = house.clock.now()
    assert (use(100), seen()[made.id]) == (2, first)  # the key that the account came with, too
    house.clock.advance(59)
    now[0] += 59
    assert (use(100), noted.write(), seen()[made.id]) == (0, 0, first)
    with another(house) as elsewhere:
        elsewhere.housekeeper.close()
        elsewhere.authenticate(made.api_key).result()
        assert elsewhere._doors.last_used.write() == 0  # not a minute since the other server's
    house.clock.advance(1)
    now[0] += 1
    assert (noted.write(), seen()[made.id]) == (1, house.clock.now())
    assert (noted.write(), seen()[unused.id]) == (0, None)


def test_many_keys_differ_and_show_a_typo_without_a_query(house: House) -> None:
    """S1: no key twice, no checksum wrong, no typo that reaches the database."""
    keys = {new_secret(Secret.KEY) for _ in range(MANY)}
    assert len(keys) == MANY
    assert all(secret_kind(key) is Secret.KEY for key in keys)
    real = key_of(house, house.account()).api_key
    asked = _questions_of_this_thread(house.broker)
    tries = {_mistyped(key) for key in keys} | {_mistyped(real) for _ in range(MANY // 10)}
    for text in tries:
        assert house.broker.authenticate(text).exception() is not None
    assert asked == []
    assert house.broker.authenticate(real).result()
    assert len(asked) == 1


def _questions_of_this_thread(broker: Broker) -> list[object]:
    """Every read that this thread asks the store for from now on."""
    asked, read, mine = [], broker._store.read, threading.get_ident()

    def counted(work: Any) -> Any:
        if threading.get_ident() == mine:
            asked.append(work)
        return read(work)

    broker._doors._store.read = counted  # type: ignore[method-assign]
    return asked


def _mistyped(key: str) -> str:
    """The key as somebody types it wrong: another, a missing, a further or two swapped characters."""
    place = random.randrange(len(Secret.KEY), len(key) - 1)
    before, here, after = key[:place], key[place], key[place + 1 :]
    other = random.choice(ALPHABET.replace(here, ""))
    swapped = before + after[0] + here + after[1:] if here != after[0] else before + other + after
    return random.choice(
        [before + other + after, before + after, before + other + key[place:], swapped]
    )


def test_a_dump_of_the_database_holds_no_part_of_any_secret(
    house: House, database_url: str
) -> None:
    """S2: what opens things is nowhere in the rows, nor in what SQLite leaves in its files."""
    account = house.account()
    made = [key_of(house, account, name="CI"), house.admin(ops.CreateAdminKey())]
    made.append(house.admin(ops.RotateAdminKey(id=made[1].id)))
    secrets = [key.api_key for key in made]
    house.task()
    claimed, _ = house.running(house.broker.authenticate(secrets[0]).result())
    secrets.append(claimed.lease.token)
    report = BatchedSuccess(verb="complete", id=claimed.id, token=claimed.lease.token)
    house.broker.execute(ops.ReportWorkers(reports=[report]), account)
    enrolment = house.admin(ops.CreateEnrolment(account_id=account.account_id))
    machine = house.broker.authenticate(enrolment.token).result()
    secrets += [enrolment.token, house.broker.execute(ops.Enrol(), machine).api_key]
    sessions = house.broker.sessions
    secrets.append(sessions.begin(account).result().secret)
    secrets.append(sessions.issue_ticket(account, Filter()).result().secret)
    dumped = dump(database_url)
    assert claimed.id.encode() in dumped
    for secret in secrets:
        body = secret.rpartition("_")[2]
        assert len(body) == 36
        assert not [part for part in _parts(body) if part in dumped], secret_kind(secret)


def _parts(body: str) -> Iterator[bytes]:
    return (body[at : at + 8].encode() for at in range(len(body) - 7))


def dump(url: str) -> bytes:
    """Everything that whoever steals the database has."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(path)) as connected:
            said = "\n".join(connected.iterdump()).encode()
        return said + b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))
    with psycopg.connect(url) as connection:
        rows = SQL("SELECT t::text FROM {} t")
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
        return b"\n".join(
            repr(connection.execute(rows.format(Identifier(name))).fetchall()).encode()
            for (name,) in tables
        )


def test_the_published_pattern_finds_every_secret() -> None:
    """What scanners are given finds each kind, and takes no id and no digest for one."""
    [published] = re.findall(r"```regex\n(.+)\n```", PAGE.read_text())
    pattern = re.compile(published)
    for kind in Secret:
        for text in (f"{new_secret(kind)}", f'key = "{new_secret(kind)}"\n'):
            [found] = pattern.finditer(text)
            assert secret_kind(found[0]) is kind
    for other in (
        "key_01k9z0000000000000000000aa",
        "buildd_server",
        "buildd_" + "a" * 20,
        "0" * 64,
    ):
        assert not pattern.search(other)


def test_keys_are_known_to_the_owner_alone(house: House) -> None:
    account = house.account()
    for operation in (
        ops.ListKeys(account_id=account.account_id),
        ops.RotateKey(account_id=account.account_id, id=account.key_id),
        ops.ListAdminKeys(),
    ):
        asked: Operation[Any] = operation
        with pytest.raises(Forbidden, match="an administrator"):
            house.broker.execute(asked, account)
    assert house.broker.authenticate(house.admin(ops.CreateAdminKey()).api_key).result() != ADMIN
    with pytest.raises(NotAuthenticated, match="is unknown"):
        house.broker.authenticate(new_secret(Secret.KEY)).result()
