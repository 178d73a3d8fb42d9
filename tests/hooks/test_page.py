"""The page's own check of a signature takes what we send, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from buildd.broker.relay.hooks import sign
from tests.docs.test_pages import blocks

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "send-webhooks.md"
BODY = b'{"test": 2432232314}'
SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "A" * 43 + "="

Check = Callable[[str, Mapping[str, str], bytes], bool]


@pytest.fixture(scope="module")
def is_from_buildd() -> Check:
    [block] = blocks(PAGE, "python")
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - it is ours
    check: Check = names["is_from_buildd"]
    return check


def test_the_signature_is_the_one_that_standard_webhooks_shows() -> None:
    headers = sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY, [SECRET])
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_pages_check_takes_what_is_sent_and_nothing_else(is_from_buildd: Check) -> None:
    now = int(time.time())
    good = sign("dlv_1", now, BODY, [SECRET])
    assert is_from_buildd(SECRET, good, BODY)
    assert is_from_buildd(SECRET, sign("dlv_1", now, BODY, [OTHER, SECRET]), BODY)
    assert not is_from_buildd(OTHER, good, BODY)
    assert not is_from_buildd(SECRET, sign("dlv_1", now - 400, BODY, [SECRET]), BODY)
    assert not is_from_buildd(SECRET, {**good, "webhook-id": "dlv_2"}, BODY)
    assert not is_from_buildd(SECRET, {**good, "webhook-timestamp": str(now + 1)}, BODY)
    for at in range(len(BODY)):
        for bit in range(8):
            changed = bytearray(BODY)
            changed[at] ^= 1 << bit
            assert not is_from_buildd(SECRET, good, bytes(changed))
