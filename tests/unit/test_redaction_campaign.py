"""Secrets nobody has thought of, written down in five ways cut at every byte (S13): none comes through."""

from __future__ import annotations

import base64
import json
import os
import random
import string
from collections.abc import Callable
from urllib.parse import quote

from buildd.redaction import RedactedBytes, Redactor

CASES = 100_000 if "BUILDD_LONG" in os.environ else 3_000
ALPHABETS = [
    string.ascii_letters + string.digits,
    string.ascii_letters + string.digits + "+/=",
    string.ascii_letters + string.digits + "-_.~",
    string.printable.strip() + " ",
    string.ascii_letters + 'äöü€😀"\\/\n\t&?% ',
]
ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "base64": lambda it: base64.b64encode(it.encode()),
    "base64 of more": lambda it: base64.urlsafe_b64encode(f"user:{it}\n".encode()),
    "a URL": lambda it: quote(it, safe="").encode(),
    "JSON": lambda it: json.dumps({"key": [it]}).encode(),
}


def secret_of(chance: random.Random) -> str:
    alphabet = chance.choice(ALPHABETS)
    return "k" + "".join(chance.choices(alphabet, k=chance.randrange(15, 60))) + "y"


def test_no_secret_comes_through_wherever_it_is_cut(
    record_property: Callable[[str, object], None],
) -> None:
    seed = random.randrange(2**32)
    chance, cases, leaks = random.Random(seed), 0, []
    while cases < CASES:
        secret = secret_of(chance)
        redactor = Redactor([secret])
        for name, encode in ENCODINGS.items():
            written = encode(secret)
            around = [chance.choice([b"", b" ", b'key="', b"\xff\x00"]) for _ in range(2)]
            text = around[0] + written + around[1]
            for cut in range(len(text) + 1):
                stream = RedactedBytes(redactor)
                said = stream.feed(text[:cut]) + stream.feed(text[cut:]) + stream.close()
                cases += 1
                # Of base64 the letters at its ends are mixed with what is around it.
                if written[6:-10] in said or written[:14] in said:
                    leaks.append((seed, name, secret, cut, said))
    record_property("figures", f"{cases} cases")
    assert leaks == []
