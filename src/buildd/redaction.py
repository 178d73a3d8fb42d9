"""Keeps secrets out of what is shown: the values that are known, and what looks like a key.

It is a net for accidents, such as a program that prints its environment. Base64 that is broken over
several lines goes through it, and who wants to get a secret out can write it backwards; what must
not be known is not given to a program in the first place.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from urllib.parse import quote, quote_plus

MARK = "[redacted]"

_SHORTEST = len(MARK)
"""Characters of a value that is worth hiding: a shorter one would be found in anything, and what is
put in its place would make a text longer than it may be."""
_WORD = 16
"""Letters of one case alone are a word, as `postgres`, unless there are so many."""
_CUT = 12
"""Characters of a secret's beginning that are hidden where a text breaks off."""
_LONGEST_TOKEN = 400
_MOST_HELD = 100_000
"""Characters that wait for their end, before they are taken for what they are by then."""

_SECRET_NAME = re.compile(r"(?:(?:^|_)(?:KEY|TOKEN|SECRET)|PASSWORD|PASSPHRASE)$", re.IGNORECASE)
_LETTERS = "0-9A-Za-z"
_TOKENS = (
    ("sk-ant-", f"{_LETTERS}_-", 20),  # Anthropic
    ("sk-proj-", f"{_LETTERS}_-", 20),  # OpenAI
    ("github_pat_", f"{_LETTERS}_", 22),
    *((f"gh{kind}_", _LETTERS, 36) for kind in "pousr"),
    ("glpat-", f"{_LETTERS}_-", 20),  # GitLab
    ("xoxb-", f"{_LETTERS}-", 20),  # Slack
    ("AIza", f"{_LETTERS}_-", 35),  # Google
    ("AKIA", "0-9A-Z", 16),  # Amazon
    ("ASIA", "0-9A-Z", 16),
    ("whsec_", f"{_LETTERS}+/=", 32),  # hooks, ours and others of Standard Webhooks
    *(
        (f"buildd_{kind}", _LETTERS, 36)
        for kind in ("", "lease_", "acquire_", "enrol_", "session_", "ticket_")
    ),
)
# A private key, also with its line breaks escaped, and without its end. What may be repeated stops
# at the dashes of another key: else many beginnings would be read to the end many times.
_KIND = "[A-Z ]{0,30}PRIVATE KEY-----"
_BODY = rf"-----BEGIN {_KIND}(?:[{_LETTERS}+/=\s\\:,]++|-(?!----))*+"
_PART = "[A-Z ]{0,42}-{0,4}"


def looks_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret: `…_KEY`, `…_TOKEN`, `…PASSWORD` and so on."""
    return bool(_SECRET_NAME.search(name))


class Redactor:
    """Puts `[redacted]` in the place of secrets, however they are written down."""

    def __init__(self, values: Iterable[str]) -> None:
        stripped = (value.strip() for value in values)
        known = {form for value in stripped if _worth_hiding(value) for form in _forms(value)}
        self._known = sorted(known)

    @classmethod
    def of(cls, environ: Mapping[str, str], *values: str) -> Redactor:
        """Knows these values, and those of all variables whose names look secret."""
        named = (value for name, value in environ.items() if looks_secret(name))
        return cls([*values, *named])

    def of_latin(self) -> Redactor:
        """One for bytes that were read as Latin-1, as any bytes can be; their text is UTF-8."""
        other = Redactor([])
        other._known = sorted(
            {known.encode(errors="surrogateescape").decode("latin-1") for known in self._known}
        )
        return other

    def redact(self, text: str) -> str:
        """The text without secrets, and without the beginning of one at its end."""
        tail = self._unfinished(text)
        cut = [(tail, len(text))] if len(text) - tail >= _CUT else []
        return _without(text, [*self._spans(text), *cut])

    def redact_json(self, value: object) -> object:
        """The same for a JSON value: its strings, and the names in its objects."""
        match value:
            case Enum():
                return value
            case str():
                return self.redact(value)
            case Mapping():
                return {
                    self.redact(str(name)): self.redact_json(each) for name, each in value.items()
                }
            case list() | tuple():
                return [self.redact_json(each) for each in value]
            case _:
                return value

    def settled(self, text: str) -> int:
        """How much of a text that goes on is the same whatever follows."""
        opened = min(self._unfinished(text), _open_pattern(text))
        for start, end in _merged(self._spans(text)):
            # One that ends where the text does may turn out to be longer.
            if start < opened and (opened < end or end == len(text)):
                return start
        return opened

    def redact_whole(self, text: str) -> str:
        """The text without secrets, where what follows it is known not to belong to it."""
        return _without(text, self._spans(text))

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        for known in self._known:
            at = text.find(known)
            while at >= 0:
                yield at, at + len(known)
                at = text.find(known, at + 1)
        # Nearly always there is none, which one look tells.
        for pattern in _PATTERNS if _ANY_PATTERN.search(text) else ():
            yield from (found.span() for found in pattern.finditer(text))

    def _unfinished(self, text: str) -> int:
        """Where a known secret begins of which the end is missing, if that may be."""
        begin = len(text)
        for known in self._known:
            at = text.find(known[0], max(0, len(text) - len(known) + 1))
            while 0 <= at < begin:
                if known.startswith(text[at:]):
                    begin = at
                at = text.find(known[0], at + 1)
        return begin


class RedactedStream:
    """The same for text that arrives in pieces: what may be the beginning of a secret waits."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = ""

    def feed(self, text: str) -> str:
        """Take a piece; give what is certain by now."""
        text = self._held + text
        settled = self._redactor.settled(text)
        if len(text) - settled > _MOST_HELD:
            settled = len(text)
        self._held = text[settled:]
        return self._redactor.redact_whole(text[:settled])

    def close(self) -> str:
        """Give what is left at the end."""
        held, self._held = self._held, ""
        return self._redactor.redact(held)


class RedactedBytes:
    """The same for the bytes of a file, of any kind."""

    def __init__(self, redactor: Redactor) -> None:
        self._text = RedactedStream(redactor.of_latin())

    def feed(self, data: bytes) -> bytes:
        """Take a piece; give what is certain by now."""
        return self._text.feed(data.decode("latin-1")).encode("latin-1")

    def close(self) -> bytes:
        """Give what is left at the end."""
        return self._text.close().encode("latin-1")


def _worth_hiding(value: str) -> bool:
    if len(value) < _SHORTEST or MARK in value:
        return False
    one_word = value.isalpha() and (value.islower() or value.isupper())
    return len(value) >= _WORD or not (one_word or value.isdecimal())


def _forms(value: str) -> Iterator[str]:
    """How a value may be written down: as it is, and quoted for a URL, JSON or base64."""
    yield value
    raw = value.encode(errors="surrogateescape")
    yield from (quote(raw, safe=""), quote(raw), quote_plus(raw))
    for ascii_only in (True, False):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]
    yield from _in_base64(raw)


def _in_base64(value: bytes) -> Iterator[str]:
    """What is always the same of a value in base64, for each of its places in groups of three."""
    for before in range(3):
        padded = base64.b64encode(bytes(before) + value)
        first = (0, 2, 3)[before]
        last = (before + len(value)) * 8 // 6
        core = padded[first:last].decode()
        yield core
        yield core.replace("+", "-").replace("/", "_")


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans that overlap, as one."""
    start = end = -1
    for left, right in sorted(spans):
        if left < end:
            end = max(end, right)
            continue
        if end > start:
            yield start, end
        start, end = left, right
    if end > start:
        yield start, end


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    parts, at = [], 0
    for start, end in _merged(spans):
        parts += [text[at:start], MARK]
        at = end
    return "".join([*parts, text[at:]])


def _open_pattern(text: str) -> int:
    """Where something begins that may become what a pattern describes."""
    near = len(text) - _LONGEST_TOKEN - _LONGEST_PREFIX
    starts = [_OPEN_TOKEN.search(text, max(0, near)), _OPEN_KEY.search(text)]
    return min((found.start() for found in starts if found), default=len(text))


def _growing(literal: str, then: str) -> str:
    """A pattern of the literal's beginnings, the whole of which may be followed by something."""
    for letter in reversed(literal):
        then = f"{re.escape(letter)}(?:{then})?"
    return then


_PATTERNS = (
    *(re.compile(f"{first}[{rest}]{{{least},{_LONGEST_TOKEN}}}") for first, rest, least in _TOKENS),
    re.compile(f"{_BODY}(?:-----END {_KIND})?"),
)
_ANY_PATTERN = re.compile("|".join(pattern.pattern for pattern in _PATTERNS))
# What each of the patterns begins with, where a text ends before it does.
_LONGEST_PREFIX = max(len(first) for first, _, _ in _TOKENS)
_OPEN_TOKEN = re.compile(
    "(?:{})\\Z".format(
        "|".join(
            _growing(first, f"[{rest}]{{0,{_LONGEST_TOKEN - 1}}}") for first, rest, _ in _TOKENS
        )
    )
)
_OPEN_KEY = re.compile(
    rf"(?:{_growing('-----BEGIN ', _PART)}|{_BODY}(?:{_growing('-----END ', _PART)})?)\Z"
)
