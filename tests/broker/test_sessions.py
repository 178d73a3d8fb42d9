"""Sessions and tickets: they stand for a key, within its rights and no longer, and only so many of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from buildd import operations as ops
from buildd.broker import ADMIN, Broker, BrokerSettings, Principal, PrincipalKind
from buildd.broker.sessions import (
    IDLE,
    LONGEST,
    MOST_SESSIONS,
    MOST_TICKETS,
    RENEW,
    TICKET,
    Sessions,
)
from buildd.errors import Forbidden, NotAuthenticated
from buildd.events import EventType, Filter
from buildd.ids import Secret, new_secret
from buildd.store import Row
from buildd.store.statement import Statement
from buildd.store.tables import session, ticket
from tests.broker.conftest import House

RACERS = 16
EVERYTHING = Filter()
CREATED = Filter(types=frozenset({EventType.TASK_CREATED}))
A_LITTLE = timedelta(minutes=1)


def begin(house: House, who: Principal) -> str:
    return house.broker.sessions.begin(who).result().secret


def holder(house: House, secret: str) -> Principal:
    """Whose session it is, looked up anew; that it was used has been written down by then."""
    house.broker._doors._known.clear()
    found = house.broker.sessions.admit(secret).result()
    assert found.expires_at
    while not _is_written(house, found, found.expires_at - RENEW):
        pass
    return found


def _is_written(house: House, found: Principal, until: datetime) -> bool:
    [row] = [each for each in rows(house, session) if each.digest == found.session]
    return bool(row.expires_at >= until)


def is_over(house: House, secret: str) -> bool:
    try:
        holder(house, secret)
    except NotAuthenticated:
        return True
    return False


def rows(house: House, table: sa.Table) -> list[Row]:
    statement = Statement(sa.select(table))
    return house.broker._store.read(lambda tx: tx.all(statement)).result()


def test_a_session_stands_for_its_key(house: House) -> None:
    account = house.account()
    held = holder(house, begin(house, account))
    for name in ("kind", "account_id", "account_type", "key_id", "scopes"):
        assert getattr(held, name) == getattr(account, name)
    made = house.admin(ops.CreateKey(account_id=str(account.account_id), scopes=["read"]))
    reader = holder(house, begin(house, house.broker.authenticate(made.api_key).result()))
    with pytest.raises(Forbidden, match="scope create"):
        house.broker.execute(
            ops.CreateTask(workspace_id=house.workspace.id, title="not with this key"), reader
        )


def test_neither_is_a_key_and_only_people_get_one(house: House) -> None:
    sessions, account = house.broker.sessions, house.account("service")
    house.task()
    _, lease = house.take(account)
    task = house.task()
    agent = house.launched(house.launch(house.pool(account), task))
    for token in (lease, agent):
        for wish in (sessions.begin, lambda who: sessions.issue_ticket(who, EVERYTHING)):
            with pytest.raises(Forbidden, match="an account key or an administrator"):
                wish(token)
    secrets = [begin(house, ADMIN), sessions.issue_ticket(ADMIN, EVERYTHING).result().secret]
    for secret in secrets:
        with pytest.raises(NotAuthenticated, match="not a buildd key"):
            house.broker.authenticate(secret).result()
    for kind in Secret:
        for look in (sessions.admit, sessions.redeem):
            with pytest.raises(NotAuthenticated):
                look(new_secret(kind)).result()


def test_a_session_lives_while_it_is_used(house: House) -> None:
    secret, idle = begin(house, house.account()), begin(house, house.account())
    house.clock.advance((IDLE - A_LITTLE).total_seconds())
    assert holder(house, secret).expires_at == house.clock.now() + IDLE
    house.clock.advance(2 * A_LITTLE.total_seconds())
    assert is_over(house, idle)
    assert not is_over(house, secret)


def test_no_session_lives_for_ever(house: House) -> None:
    secret, ends = begin(house, house.account()), house.clock.now() + LONGEST
    while house.clock.now() < ends - A_LITTLE:
        assert not is_over(house, secret)
        left = ends - A_LITTLE - house.clock.now()
        house.clock.advance(min(IDLE - A_LITTLE, left).total_seconds())
    assert holder(house, secret).expires_at == ends
    house.clock.advance(2 * A_LITTLE.total_seconds())
    assert is_over(house, secret)


def test_a_session_and_a_ticket_end_with_their_key(house: House) -> None:
    account = house.account()
    owner, sessions = str(account.account_id), house.broker.sessions
    short = house.admin(ops.CreateKey(account_id=owner, expires_in_seconds=3600))
    brief = begin(house, house.broker.authenticate(short.api_key).result())
    secret = begin(house, account)
    by_key = sessions.issue_ticket(account, EVERYTHING).result().secret
    by_session = sessions.issue_ticket(holder(house, secret), EVERYTHING).result().secret
    house.clock.advance(TICKET.total_seconds() / 2)
    house.admin(ops.RevokeKey(account_id=owner, id=str(account.key_id)))
    assert is_over(house, secret)
    for each in (by_key, by_session):
        with pytest.raises(NotAuthenticated, match="revoked"):
            sessions.redeem(each).result()
    assert not is_over(house, brief)
    house.clock.advance(3600)
    assert is_over(house, brief)


def test_the_environments_key_ends_its_sessions_by_being_another(house: House) -> None:
    url = house.broker._store.database.url

    def sessions_of(key: str | None) -> tuple[Broker, Sessions]:
        broker = Broker.open(
            url.render_as_string(hide_password=False), BrokerSettings(admin_key=key)
        )
        return broker, broker.sessions

    broker, sessions = sessions_of("the first of two keys")
    secret = sessions.begin(ADMIN).result().secret
    passes = [sessions.issue_ticket(ADMIN, EVERYTHING).result().secret for _ in range(3)]
    assert sessions.admit(secret).result().kind is PrincipalKind.ADMIN
    broker.close()
    for key in ("the second of two keys", None):
        broker, sessions = sessions_of(key)
        for refused in (sessions.admit(secret), sessions.redeem(passes.pop())):
            with pytest.raises(NotAuthenticated, match="was changed since"):
                refused.result()
        broker.close()
    broker, sessions = sessions_of("the first of two keys")
    assert sessions.redeem(passes.pop()).result().only == EVERYTHING
    broker.close()


def test_a_ticket_of_local_mode_ends_with_it(house: House) -> None:
    secrets = [
        house.broker.sessions.issue_ticket(ADMIN, EVERYTHING).result().secret for _ in range(2)
    ]
    assert house.broker.sessions.redeem(secrets.pop()).result().kind is PrincipalKind.ADMIN
    house.admin(ops.CreateAdminKey())
    with pytest.raises(NotAuthenticated):
        house.broker.sessions.redeem(secrets.pop()).result()


def test_one_of_many_uses_a_ticket(house: House) -> None:
    secret = house.broker.sessions.issue_ticket(house.account(), CREATED).result().secret

    def tried(_: int) -> Principal | None:
        try:
            return house.broker.sessions.redeem(secret).result()
        except NotAuthenticated:
            return None

    with ThreadPoolExecutor(RACERS) as threads:
        [winner] = filter(None, threads.map(tried, range(RACERS)))
    with pytest.raises(NotAuthenticated, match="other events"):
        house.broker.subscribe(winner, None, EVERYTHING, lambda: None)
    with pytest.raises(Forbidden, match="a stream of events, and nothing else"):
        house.broker.execute(ops.ListTasks(), winner)
    house.broker.subscribe(winner, None, CREATED, lambda: None).result().close()


def test_a_ticket_lives_for_a_minute(house: House) -> None:
    sessions = house.broker.sessions
    first, second = (sessions.issue_ticket(ADMIN, CREATED).result().secret for _ in range(2))
    house.clock.advance(TICKET.total_seconds() - 1)
    assert sessions.redeem(first).result().only == CREATED
    house.clock.advance(1)
    with pytest.raises(NotAuthenticated, match="expired"):
        sessions.redeem(second).result()


def test_only_so_many_are_kept_and_none_in_plain_words(house: House) -> None:
    account, sessions = house.account(), house.broker.sessions
    kept = begin(house, house.account())
    held, passes = [], []
    for _ in range(MOST_SESSIONS + 2):
        held.append(begin(house, account))
        house.clock.advance(0.01)
    for _ in range(MOST_TICKETS + 2):
        passes.append(sessions.issue_ticket(account, EVERYTHING).result().secret)
        house.clock.advance(0.01)
    assert [is_over(house, each) for each in held[:3]] == [True, True, False]
    assert not is_over(house, kept)
    assert (len(rows(house, session)), len(rows(house, ticket))) == (
        MOST_SESSIONS + 1,
        MOST_TICKETS,
    )
    stored = repr(rows(house, session) + rows(house, ticket))
    assert not any(each in stored for each in [*held, *passes])
    house.clock.advance(IDLE.total_seconds() + 1)
    house.broker.reaper.sweep()
    assert rows(house, session) + rows(house, ticket) == []
