"""Turns: first come first served, a few at a time, once for however often it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from buildd_server import turns
from buildd_server.turns import Turn, Turns

Had = list[int]


def played(play: Callable[[], Coroutine[None, None, Had]]) -> Had:
    return asyncio.run(play())


async def _has_all(number: int, turn: Turn, had: Had, times: int = 1) -> None:
    for _ in range(times):
        await turn.wait()
        had.append(number)


def test_turns_are_had_in_the_order_in_which_they_were_asked_for() -> None:
    async def play() -> Had:
        all_, had = Turns(), Had()
        mine = [Turn(all_) for _ in range(3 * turns.AT_ONCE)]
        async with asyncio.TaskGroup() as group:
            for number, turn in enumerate(mine):
                group.create_task(_has_all(number, turn, had))
            for turn in reversed(mine):
                turn.join()
        return had

    assert played(play) == [*reversed(range(3 * turns.AT_ONCE))]


def test_a_few_have_their_turn_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST_TURNS", 1e-6)

    async def play() -> Had:
        all_, had = Turns(), Had()
        mine = [Turn(all_) for _ in range(2 * turns.AT_ONCE)]
        going = [asyncio.create_task(_has_all(n, turn, had)) for n, turn in enumerate(mine)]
        for turn in mine:
            turn.join()
        await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0)
        return had

    assert played(play) == [*range(turns.AT_ONCE)]


def test_who_asks_often_has_one_turn_and_may_ask_for_the_next_meanwhile() -> None:
    async def play() -> Had:
        all_, had = Turns(), Had()
        often, other = Turn(all_), Turn(all_)
        for _ in range(5):
            often.join()
        other.join()
        await _has_all(1, often, had)
        often.join()
        await _has_all(2, other, had)
        await _has_all(1, often, had)
        assert not all_._queue
        return had

    assert played(play) == [1, 2, 1]


def test_another_thread_may_ask_and_whoever_comes_after_a_silence() -> None:
    async def play() -> Had:
        turn, had = Turn(Turns()), Had()
        for _ in range(3):
            await asyncio.to_thread(turn.ask)
            await _has_all(1, turn, had)
            assert turn._turns._going is not None
            await turn._turns._going
        return had

    assert played(play) == [1, 1, 1]


def test_a_turn_that_was_given_needs_no_asking() -> None:
    async def play() -> Had:
        turn, had = Turn(Turns()), Had()
        turn.take()
        await _has_all(1, turn, had)
        return had

    assert played(play) == [1]


def test_whoever_asks_after_the_end_is_not_heard() -> None:
    async def made() -> Turn:
        return Turn(Turns())

    turn = asyncio.run(made())
    turn.ask()
    assert not turn._turns._queue
