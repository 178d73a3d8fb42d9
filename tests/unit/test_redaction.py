from __future__ import annotations

import base64
import json
import re
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildd.ids import Secret, new_secret
from buildd.redaction import MARK, RedactedStream, Redactor, looks_secret

KEY = 'k3y/with+odd=signs&"quotes"~and ünïcode'
PLAIN = "wJalrXUtnFEMIK7MDENGbPxRfiCY"
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,F00D\n\n"
    "MIIEow+IBAAKCAQEA/x\nMIIEow+IBAAKCAQEA/x==\n-----END RSA PRIVATE KEY-----"
)
TOKENS = [
    "sk-ant-api03-abcdefghij_KLMNOP-0123456789",
    "sk-proj-abcdefghijKLMNOP0123456789",
    "ghp_" + "a1B2c3D4e5F6" * 3,
    "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
    "glpat-abcdefghij0123456789",
    "xoxb-1234567890-abcdefghijkl",
    "AIza" + "Sy0123456" * 4,
    "AKIAIOSFODNN7EXAMPLE",
    "buildd_" + "a1B2c3D4e5F6" * 3,
    "buildd_lease_" + "a1B2c3D4e5F6" * 3,
    PEM,
    PEM.replace("\n", "\\n"),
]
REDACTOR = Redactor([KEY, PLAIN])


def forms(value: str) -> list[str]:
    encoded = [base64.b64encode(b"x" * n + value.encode()).decode() for n in range(3)]
    return [value, quote(value), quote(value, safe=""), json.dumps(value)[1:-1], *encoded]


SECRETS = [*TOKENS, *forms(KEY), *forms(PLAIN)]
noise = st.text("ab -\n\\ABEGINRPVTKYsk_ghtpo=+/.'0", max_size=40)
texts = st.lists(
    st.one_of(
        noise,
        st.sampled_from(SECRETS),
        st.sampled_from(SECRETS).flatmap(
            lambda secret: st.slices(len(secret)).map(lambda part: secret[part])
        ),
    ),
    max_size=8,
).map("".join)


@pytest.mark.parametrize("kind", Secret)
def test_a_secret_of_ours_is_hidden(kind: Secret) -> None:
    assert REDACTOR.redact(f"it is {new_secret(kind)}.") == f"it is {MARK}."


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_hidden_in_every_form(secret: str) -> None:
    said = REDACTOR.redact(f'it said "{secret}" there')
    assert re.fullmatch(r'it said "[\w=]{0,4}\[redacted\][\w=]{0,4}" there', said), said


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_hidden_wherever_a_stream_is_cut(secret: str) -> None:
    text = f"a {secret} b"
    want = REDACTOR.redact(text)
    for cut in range(len(text) + 1):
        stream = RedactedStream(REDACTOR)
        assert stream.feed(text[:cut]) + stream.feed(text[cut:]) + stream.close() == want
    stream = RedactedStream(REDACTOR)
    assert "".join([*map(stream.feed, text), stream.close()]) == want


@given(texts, st.lists(st.integers(1, 30), max_size=60))
def test_how_a_stream_is_cut_makes_no_difference(text: str, sizes: list[int]) -> None:
    stream, rest, said = RedactedStream(REDACTOR), text, ""
    for size in sizes:
        said += stream.feed(rest[:size])
        rest = rest[size:]
    said += stream.feed(rest) + stream.close()
    assert said == REDACTOR.redact(text)


def test_a_secret_that_another_begins_in_is_not_cut_in_two() -> None:
    redactor = Redactor(["hunter-2-and-3", "and-3-and-4-and-5"])
    stream = RedactedStream(redactor)
    assert stream.feed("it is hunter-2-and-3") == "it is "
    assert stream.feed(" now") + stream.close() == "[redacted] now"


@given(texts)
def test_no_secret_remains_and_nothing_grows(text: str) -> None:
    said = REDACTOR.redact(text)
    assert not any(secret in said for secret in SECRETS)
    assert len(said) <= len(text)
    assert REDACTOR.redact_whole(said) == said


@given(noise, st.integers(15, 200))
def test_where_a_text_breaks_off_no_beginning_of_a_secret_remains(before: str, size: int) -> None:
    for secret in forms(KEY):
        said = REDACTOR.redact(f"{before}{secret[:size]}")
        assert secret[3:15] not in said


@given(st.text("abcdefg .,:;!?-_/\n", max_size=300))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert REDACTOR.redact(text) == text


def test_json_is_cleaned_throughout() -> None:
    value = {PLAIN: [1, None, True, {"a": f"<{KEY}>"}]}
    assert REDACTOR.redact_json(value) == {MARK: [1, None, True, {"a": f"<{MARK}>"}]}


@pytest.mark.parametrize(
    "name", ["BUILDD_API_KEY", "GH_TOKEN", "token", "PGPASSWORD", "MY_SECRET", "KEY_PASSPHRASE"]
)
def test_these_variables_hold_secrets(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize("name", ["HOME", "KEYBOARD", "MAX_TOKENS", "MONKEY", "SECRETARY", "PATH"])
def test_these_do_not(name: str) -> None:
    assert not looks_secret(name)


@pytest.mark.parametrize(
    "value", ["", "short", "production", "PRODUCTION", "1234567890", "     ", f"a{MARK}b"]
)
def test_what_may_stand_anywhere_is_not_hidden(value: str) -> None:
    text = f"we use {value} here"
    assert Redactor.of({"APP_KEY": value}).redact(text) == text


def test_the_values_of_secret_variables_are_hidden() -> None:
    redactor = Redactor.of({"APP_KEY": f"{PLAIN}\n", "HOME": "/home/somebody-in-particular"}, KEY)
    assert redactor.redact(f"{PLAIN} {KEY} /home/somebody-in-particular") == (
        f"{MARK} {MARK} /home/somebody-in-particular"
    )


def test_bytes_that_are_no_text_may_be_secret_too() -> None:
    assert Redactor(["\udcff0123456789"]).redact("a \udcff0123456789") == f"a {MARK}"


@pytest.mark.parametrize(
    "unit",
    ["sk-ant-", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nAA\n-", "AKIA", "-"],
)
def test_text_that_is_made_to_take_long_does_not(unit: str) -> None:
    began = time.process_time()
    text = unit * (1_000_000 // len(unit))
    REDACTOR.redact(f"{text}!")
    stream = RedactedStream(REDACTOR)
    for start in range(0, len(text), 65_536):
        stream.feed(text[start : start + 65_536])
    assert time.process_time() - began < 20
