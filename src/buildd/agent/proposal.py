"""The pull request of a completed attempt. The server opens it: the agent has no key to the forge."""

from __future__ import annotations

from buildd.agent.attempt import Attempt
from buildd.agent.lease import OVER
from buildd.agent.retry import persist
from buildd.client import AsyncClient
from buildd.clock import elapsed
from buildd.errors import BuilddError, NotConfigured
from buildd.models import Role
from buildd.operations import OpenPullRequest
from buildd.roles import Completed
from buildd.text import one_line, storable

_PATIENCE = 300.0
"""Seconds for which a forge that is away keeps finished work from being reported."""
_TITLE_LIMIT = 256
_BODY_LIMIT = 60_000


def proposal(attempt: Attempt, outcome: Completed) -> OpenPullRequest:
    """The pull request that a completed attempt asks for."""
    return OpenPullRequest(
        id=attempt.claimed.id,
        title=one_line(attempt.task.title, _TITLE_LIMIT),
        body=_body(attempt, outcome),
    )


async def propose(client: AsyncClient, order: OpenPullRequest) -> str | None:
    """Have it opened, of a branch that is pushed; its URL, or None if there is none.

    That there is none spoils nothing: it is said in the attempt's messages, unless the server was
    never meant to open any. Raises one of `OVER`.
    """
    try:
        opened = await persist(lambda: client.send(order), until=elapsed() + _PATIENCE)
    except OVER:
        raise
    except NotConfigured:
        return None
    except BuilddError as problem:
        said = f"No pull request was opened: {problem.message}"
        await persist(
            lambda: client.messages.create(worker_id=order.id, content=said, role=Role.SYSTEM)
        )
        return None
    return opened.url


def _body(attempt: Attempt, outcome: Completed) -> str:
    task = attempt.task
    made = f"Made by buildd for {task.external_url or task.id}."
    return "\n\n".join(
        part for part in (storable(outcome.summary or "", _BODY_LIMIT), made) if part
    )
