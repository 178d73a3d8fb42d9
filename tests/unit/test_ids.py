"""Ids sort by time; secrets show a typo and their kind without a query."""

from __future__ import annotations

import random
import string

import pytest

from buildd.ids import Kind, Secret, digest, new_id, new_secret, secret_kind


def test_ids_sort_in_the_order_they_were_made() -> None:
    ids = [new_id(Kind.TASK) for _ in range(2000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert all(each.startswith("task_") and each == each.lower() for each in ids)


def test_an_id_sorts_behind_one_from_a_clock_that_is_ahead() -> None:
    ahead = new_id(Kind.MESSAGE).replace("msg_0", "msg_1")
    first = new_id(Kind.MESSAGE, after=ahead)
    second = new_id(Kind.MESSAGE, after=first)
    assert ahead < first < second
    assert len(second) == len(ahead)


@pytest.mark.parametrize("kind", Secret)
def test_a_secret_tells_its_kind(kind: Secret) -> None:
    assert secret_kind(new_secret(kind)) is kind


@pytest.mark.parametrize("kind", Secret)
def test_a_typo_anywhere_is_noticed(kind: Secret) -> None:
    secret = new_secret(kind)
    for place in range(len(kind.value), len(secret)):
        other = random.choice([c for c in string.ascii_letters if c != secret[place]])
        assert secret_kind(secret[:place] + other + secret[place + 1 :]) is None


def test_one_kind_does_not_pass_for_another() -> None:
    body = new_secret(Secret.KEY).removeprefix(Secret.KEY)
    assert secret_kind(Secret.LEASE + body) is None


@pytest.mark.parametrize("text", ["", "buildd_", "ghp_abc", "buildd_é" + "a" * 35, "x" * 10_000])
def test_other_texts_are_no_secrets(text: str) -> None:
    assert secret_kind(text) is None


def test_digests_depend_on_the_pepper() -> None:
    secret = new_secret(Secret.KEY)
    assert digest(secret, b"a" * 32) != digest(secret, b"b" * 32)
    assert secret not in digest(secret, b"a" * 32)
