"""The comment that tells on an issue how its task is going, through the real forge and PyGithub."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from buildd import operations as ops
from buildd.broker import ADMIN, Broker
from buildd.broker._context import Context
from buildd.broker.github_source import CommentSender
from buildd.broker.github_source.wording import quoted
from buildd.broker.relay import Answer as Told
from buildd.broker.relay import Draft, RelayPace, outbox, turns
from buildd.broker.relay.rounds import Rounds
from buildd.states import DeliveryStatus
from buildd.store.sql import deliveries as sql
from buildd.store.sql import workspaces as sql_workspaces
from buildd.telling import TargetKind
from buildd_runners.github.pulls import GitHubForge
from tests.broker.conftest import House
from tests.broker.conftest import house as house  # noqa: PLC0414 - a relay sends for all of a database
from tests.far_end import Answer, Asked
from tests.github.far_end import TOKEN, GitHub
from tests.github.issues import Issues
from tests.webhooks.hub import Hub

T = TypeVar("T")

Round = Callable[[], None]
PULL = "https://github.com/acme/shop/pull/7"


@pytest.fixture
def github(tmp_path: Path, hub: Hub) -> Iterator[GitHub]:
    (tmp_path / "acme" / "shop.git").mkdir(parents=True)
    with GitHub(tmp_path) as far_end:
        far_end.issues = Issues({**hub.repository, "url": f"{far_end.api}/repos/acme/shop"})
        far_end.issues.put(number=12)
        yield far_end


def rounds_of(broker: Broker, github: GitHub) -> Rounds:
    forge = GitHubForge.from_config({"token": TOKEN, "api": github.api})
    context = partial(broker._context, principal=ADMIN)
    return Rounds(broker._store, context, [CommentSender(forge)], RelayPace())


@pytest.fixture
def tell(house: House, github: GitHub) -> Round:
    """A round of the relay: everything that is due is sent."""
    rounds = rounds_of(house.broker, github)

    async def go() -> None:
        async with anyio.create_task_group() as tasks:
            await rounds.go(tasks)

    return lambda: asyncio.run(go())


def said(github: GitHub) -> str:
    """What the one comment says, but for its mark."""
    assert github.issues
    [body] = github.issues.on(12)
    mark, _, rest = body.partition("\n\n")
    assert re.fullmatch(r"<!-- buildd:task_[0-9a-z]{26} [0-9a-f]{16} -->", mark)
    return rest


def asked(github: GitHub) -> list[str]:
    return [f"{each.method} {each.path.rpartition('/shop')[2]}" for each in github.asked]


def test_one_comment_tells_how_it_is_going(
    house: House, hub: Hub, github: GitHub, tell: Round
) -> None:
    hub.issues("opened", author_association="NONE")
    task = hub.task.id
    tell()
    waits = f"**buildd** · `{task}` · waits for approval: anybody may have written this issue"
    assert said(github) == waits
    house.admin(ops.ApproveTask(id=task))
    tell()
    assert said(github) == f"**buildd** · `{task}` · waits for an agent"
    claimed, lease = house.running(house.account())
    tell()
    assert said(github) == f"**buildd** · `{task}` · claimed by `a user`"
    question = {"type": "question", "prompt": "Which one?", "options": ["this", "that"]}
    house.broker.execute(ops.AskWorker(id=claimed.id, **question), lease)  # type: ignore[arg-type]
    tell()
    assert said(github) == (
        f"**buildd** · `{task}` · `a user` waits for an answer\n\n"
        "```text\nWhich one?\n- this\n- that\n```\n\n"
        "Answer with a comment that begins with `/answer`."
    )
    house.admin(ops.AnswerWorker(id=claimed.id, content="that"))
    tell()
    assert said(github).endswith("claimed by `a user`")
    for kind, content in (("pull_request", PULL), ("summary", "Done, @everybody.")):
        made = ops.CreateArtifact(worker_id=claimed.id, type=kind, content=content)
        house.broker.execute(made, lease)
    house.broker.execute(ops.CompleteWorker(id=claimed.id), lease)
    tell()
    assert said(github) == (
        f"**buildd** · `{task}` · completed\n\nPull request: {PULL}\n\n"
        "```text\nDone, @everybody.\n```"
    )
    kinds = [each.partition(" ")[0] for each in asked(github)]
    assert kinds == ["POST", *["PATCH"] * 5]


def test_a_failure_tells_its_reason_and_a_new_attempt_what_ended_the_last(
    house: House, hub: Hub, github: GitHub, tell: Round
) -> None:
    hub.issues("opened")
    laptop = house.account()
    claimed, lease = house.running(laptop)
    house.broker.execute(ops.FailWorker(id=claimed.id, error="``` @all closes #1"), lease)
    tell()
    assert "The last attempt ended:\n\n````text\n``` @all closes #1\n````" in said(github)
    house.admin(ops.CancelTask(id=hub.task.id))
    tell()
    assert said(github).endswith("· cancelled")
    again = hub.issues("reopened")
    assert again.startswith("took up again")
    claimed, lease = house.running(laptop)
    tell()
    failed = ops.FailWorker(id=claimed.id, error="No such branch", retryable=False)
    house.broker.execute(failed, lease)
    tell()
    assert said(github).endswith("· failed\n\n```text\nNo such branch\n```")


@pytest.mark.parametrize(
    "text",
    [
        "@anna and @acme/team",
        "```\n@anna\n```",
        "````text\n```\n@anna",
        "a\n\n```````````\n<img src=x onerror=alert(1)>",
        "</code></pre> @anna <!--",
        "~~~\n@anna",
        "\r```\r@anna\r",
        "\u202e\x1b[31m@anna\x00",
        "x" * 20_000,
    ],
)
def test_what_is_quoted_cannot_leave_its_block(text: str) -> None:
    first, *inside, last = quoted(text).split("\n")
    fence = first.removesuffix("text")
    assert set(fence) == {"`"} == set(last)
    assert len(fence) == len(last) >= 3
    assert not any(fence in line for line in inside)
    assert not re.search("[\r\x00\x1b\u202e]", "".join(inside))
    assert len("".join(inside)) < 10_000


@pytest.mark.parametrize(
    "link",
    [
        "https://github.com/acme/other/pull/7",
        "https://evil.example/acme/shop/pull/7",
        "https://github.com/acme/shop/pull/7) @anna",
        "javascript:alert(1)",
    ],
)
def test_only_pull_requests_of_the_repository_are_links(
    house: House, hub: Hub, github: GitHub, tell: Round, link: str
) -> None:
    hub.issues("opened")
    claimed, lease = house.running(house.account())
    made = ops.CreateArtifact(worker_id=claimed.id, type="pull_request", content=link)
    house.broker.execute(made, lease)
    tell()
    assert said(github).endswith("claimed by `a user`")


def test_a_comment_whose_answer_was_lost_is_found_again(
    house: House, hub: Hub, github: GitHub, tell: Round
) -> None:
    def lose_the_first_post(request: Asked, do: Callable[[], Answer]) -> Answer | None:
        answer = do()
        return None if request.method == "POST" else answer

    github.delivery = lose_the_first_post
    hub.issues("opened")
    tell()
    assert len(github.issues.comments if github.issues else []) == 1
    github.delivery = lambda _, do: do()
    house.clock.advance(120)
    tell()
    assert said(github).endswith("waits for an agent")
    path = "/issues/12/comments"
    assert asked(github) == [f"POST {path}", f"GET {path}", "PATCH /issues/comments/99262140"]


def test_two_servers_write_one_comment(house: House, hub: Hub, github: GitHub) -> None:
    hub.issues("opened")
    one, other = rounds_of(house.broker, github), rounds_of(house.broker, github)

    async def go() -> None:
        async with anyio.create_task_group() as tasks:
            for rounds in (one, other):
                await rounds.go(tasks)
                if rounds is one:
                    house.running(house.account())

    asyncio.run(go())
    said(github)


@dataclass
class Turns:
    """Deliveries of one task's comment, taken and settled by hand."""

    broker: Broker
    sender: CommentSender
    task: str

    def take(self) -> turns.Turn:
        draft = Draft(self.task, "comment", None, "")
        turn = self._write(
            lambda ctx: turns.take(ctx, *outbox.put(ctx, TargetKind.GITHUB, draft), **self._with())
        )
        assert turn is not None
        return turn

    def send(self, turn: turns.Turn) -> Told:
        answer = asyncio.run(_sent(turn))
        assert self._write(lambda ctx: turns.settle(ctx, turn, answer, **self._with()))
        return answer

    def _with(self) -> dict[str, Any]:
        return {"senders": {TargetKind.GITHUB: self.sender}, "pace": RelayPace()}

    def _write(self, work: Callable[[Context], T]) -> T:
        store = self.broker._store
        return store.write(lambda tx: work(self.broker._context(tx, ADMIN))).result()


async def _sent(turn: turns.Turn) -> Told:
    return await turn.send()


def test_who_has_nothing_to_write_lets_nobody_else_write(
    house: House, hub: Hub, github: GitHub, tell: Round
) -> None:
    hub.issues("opened")
    tell()
    forge = GitHubForge.from_config({"token": TOKEN, "api": github.api})
    by_hand = Turns(house.broker, CommentSender(forge), hub.task.id)
    nothing_new = by_hand.take()
    house.running(house.account())
    writes = by_hand.take()
    by_hand.send(nothing_new)
    other = by_hand.take()
    before = asked(github)
    assert by_hand.send(other).error == "it is being written"
    assert asked(github) == before
    by_hand.send(writes)
    assert said(github).endswith("claimed by `a user`")


def test_what_cannot_be_told_as_a_source_is_configured_is_given_up(
    house: House, hub: Hub, github: GitHub, tell: Round
) -> None:
    """Such as an older buildd let pass: it would be tried for ever."""
    hub.issues("opened")
    source = hub.source
    spoiled = {"of": source.id, "name": source.name, "config": {"repository": 7}}
    store = house.broker._store
    store.write(
        lambda tx: tx.all(sql_workspaces.CHANGE_SOURCE, **spoiled, updated_at=tx.now)
    ).result()
    tell()
    assert asked(github) == []
    [delivery] = store.read(
        lambda tx: tx.all(sql.DELIVERIES, target=hub.task.id, cursor=None, limit=9)
    ).result()
    assert delivery.status == DeliveryStatus.FAILED
    assert "repository" in delivery.error


def test_a_comment_that_somebody_deleted_is_not_written_again(
    house: House, hub: Hub, github: GitHub, tell: Round
) -> None:
    hub.issues("opened")
    tell()
    assert github.issues
    github.issues.comments.clear()
    house.admin(ops.CancelTask(id=hub.task.id))
    for _ in range(3):
        house.clock.advance(7200)
        tell()
    assert github.issues.comments == []


def test_who_wants_no_comments_gets_none(house: House, github: GitHub, tell: Round) -> None:
    Hub(house, {"comments": False}).issues("opened", number=13)
    house.task()
    tell()
    assert asked(github) == []
