"""Names for things: prefixed ids that sort by time, and secrets that show a typo without a query."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from enum import StrEnum

# Lower-case only: every database collation sorts these as Python does, and a branch may carry them.
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 26  # 128 bits in base 32
_PAIRS = [first + second for first in _BASE32 for second in _BASE32]
_SHIFTS = range(5 * (_ID_LENGTH - 2), -1, -10)
_AS_PYTHON = str.maketrans(_BASE32, "0123456789abcdefghijklmnopqrstuv")
_SECRET_LENGTH = 30  # about 178 bits
_CHECK_LENGTH = 6


class Kind(StrEnum):
    """What an id names; the value is its prefix."""

    ACCOUNT = "acc"
    KEY = "key"
    WORKSPACE = "ws"
    SOURCE = "src"
    TASK = "task"
    WORKER = "wkr"
    ARTIFACT = "art"
    COMMENT = "cmt"
    MESSAGE = "msg"
    ATTACHMENT = "att"
    AGENT = "agt"
    LEDGER = "led"
    SCHEDULE = "sch"
    POOL = "pool"
    LAUNCH = "lch"
    HOOK = "hook"
    DELIVERY = "dlv"


class Secret(StrEnum):
    """What a secret opens; the value is its prefix, so that scanners can tell them apart."""

    KEY = "buildd_"
    LEASE = "buildd_lease_"
    ACQUIRE = "buildd_acquire_"
    ENROL = "buildd_enrol_"
    SESSION = "buildd_session_"
    TICKET = "buildd_ticket_"


def new_id(kind: Kind, *, after: str | None = None) -> str:
    """A fresh id such as ``task_01k…``: a UUIDv7, so that ids sort by the time they were made.

    It sorts behind `after`, even if that was made by a machine whose clock is ahead of this one's.
    """
    import uuid_utils  # most programs make no ids

    number = uuid_utils.uuid7().int
    if after is not None:
        number = max(number, _number(after.rpartition("_")[2]) + 1)
    return f"{kind.value}_{_base32(number)}"


def new_secret(kind: Secret) -> str:
    """A fresh secret: prefix, 30 random base-62 characters, and their CRC-32 in six more."""
    body = _digits(secrets.randbelow(len(_BASE62) ** _SECRET_LENGTH), _BASE62, _SECRET_LENGTH)
    return f"{kind.value}{body}{_checksum(kind, body)}"


def secret_kind(text: str) -> Secret | None:
    """Which kind of secret this is, or None if it cannot be one of ours (a typo, another system's)."""
    match = _SECRET.fullmatch(text)
    if match is None:
        return None
    kind = Secret(match["prefix"])
    right = _checksum(kind, match["body"])
    return kind if hmac.compare_digest(right, match["check"]) else None


def digest(secret: str, pepper: bytes) -> str:
    """What is stored instead of a secret: its HMAC-SHA-256 under the installation's own pepper."""
    return hmac.new(pepper, secret.encode(), hashlib.sha256).hexdigest()


def derived(purpose: str, pepper: bytes) -> bytes:
    """32 bytes for one purpose that nobody can tell without the pepper: a secret that is never stored."""
    return hmac.new(pepper, purpose.encode(), hashlib.sha256).digest()


def _checksum(kind: Secret, body: str) -> str:
    return _digits(zlib.crc32((kind.value + body).encode()), _BASE62, _CHECK_LENGTH)


def _digits(number: int, alphabet: str, length: int) -> str:
    out = []
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        out.append(alphabet[digit])
    return "".join(reversed(out))


def _base32(number: int) -> str:
    """Two digits at a time: whatever happens has an id, each line that an agent says too."""
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def _number(digits: str) -> int:
    return int(digits.translate(_AS_PYTHON), 32)


_SECRET = re.compile(
    "(?P<prefix>{})(?P<body>[0-9A-Za-z]{{{}}})(?P<check>[0-9A-Za-z]{{{}}})".format(
        "|".join(sorted((kind.value for kind in Secret), key=len, reverse=True)),
        _SECRET_LENGTH,
        _CHECK_LENGTH,
    )
)
