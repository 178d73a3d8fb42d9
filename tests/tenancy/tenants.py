"""Three tenants of one server, each with one thing of every kind that has an id."""

from __future__ import annotations

from dataclasses import dataclass

from buildd.broker.launches import request_launch
from buildd.broker.principals import ADMIN
from buildd.broker.tokens import mint_for_launch
from buildd.client import Client
from buildd.client._embedded import EmbeddedTransport, Embedding
from buildd.ids import Kind, new_id
from buildd.routing import AccountType
from buildd.store import Transaction
from buildd.store.sql.pools import POOL
from buildd.store.sql.tasks import TASK_SEEN
from buildd.testing.conformance.access import things_of
from buildd.testing.conformance.stage import Stage
from tests.server.serving import Running


@dataclass(frozen=True)
class Tenant:
    """What is somebody's, and the credentials that open it."""

    ids: dict[str, str]
    """An id of each kind, by its prefix."""
    credentials: dict[str, str]
    """Bearer tokens, by who they make of a caller."""


def owner(server: Running) -> Client:
    """The administrator, without HTTP."""
    return Client(EmbeddedTransport(Embedding(server.broker)))


def settled(server: Running) -> Tenant:
    """A further tenant of a server."""
    bd = owner(server)
    stage = Stage(bd)
    things = things_of(stage)
    lease = things.lease
    message = lease.messages.create(worker_id=things.worker, content="Look.")
    attachment = lease.messages.attach(
        b"seen", message_id=message.id, filename="a.txt", mime_type="text/plain"
    )
    launch, acquire = _launch(server, stage)
    ids = [things.account, things.key, things.workspace, things.source, things.schedule]
    ids += [things.task, things.worker, things.artifact, things.comment, things.pool]
    ids += [message.id, attachment.id, launch, things.hook, things.delivery]
    return Tenant(
        {each.partition("_")[0]: each for each in ids},
        {
            "account": stage.account.api_key,
            "lease": lease_token(stage),
            "acquire": acquire,
            "enrol": bd.accounts.create_enrolment(account_id=stage.account.id).token,
        },
    )


def absent() -> dict[str, str]:
    """An id of each kind that nothing has."""
    return {kind.value: new_id(kind) for kind in Kind}


def lease_token(stage: Stage) -> str:
    """The lease of a further attempt of a tenant's."""
    task = stage.task("Another")
    [claimed] = stage.agent.workers.claim(task_id=task.id).workers
    return claimed.lease.token


def _launch(server: Running, stage: Stage) -> tuple[str, str]:
    service = stage.hire(AccountType.SERVICE)
    pool = stage.bd.pools.create(
        name=service.id, account_id=service.id, runner="local", enabled=False
    )
    task = stage.task("For a launch")

    def make(tx: Transaction) -> tuple[str, str]:
        context = server.broker._context(tx, ADMIN)
        wanted = tx.first(TASK_SEEN, id=task.id, viewer=None)
        launch = request_launch(context, tx.first(POOL, id=pool.id), wanted)
        return str(launch.id), mint_for_launch(context, launch)

    return server.broker._store.write(make).result()
