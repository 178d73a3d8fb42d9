"""The forge itself: which requests it makes, what it finds again, and how it tells of GitHub's errors."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from buildd.errors import (
    BuilddError,
    ConfigError,
    ForgeRefused,
    NotConfigured,
    RateLimited,
    Unavailable,
)
from buildd.models import PullRequest
from buildd.roles import PullRequestOrder
from buildd_runners.github.pulls import GitHubForge, repository_of
from tests.far_end import Answer, Asked
from tests.github.far_end import APP, TOKEN, GitHub
from tests.patience import PATIENCE


@pytest.fixture
def order(github: GitHub) -> PullRequestOrder:
    return PullRequestOrder(
        repo=github.repo(), branch="work", title="Fix it", body="It was broken."
    )


def test_a_pull_request_is_opened(
    github: GitHub, forge: GitHubForge, order: PullRequestOrder
) -> None:
    opened = forge.open_pull_request(order)
    url = f"{github.url}/acme/shop/pull/1"
    assert opened == PullRequest(url=url, number=1, branch="work", base="main", draft=False)
    [pull] = github.pulls
    assert (pull["title"], pull["body"], pull["draft"]) == ("Fix it", "It was broken.", False)


def test_base_and_draft_are_taken(
    github: GitHub, forge: GitHubForge, order: PullRequestOrder
) -> None:
    opened = forge.open_pull_request(replace(order, branch="main", base="work", draft=True))
    assert (opened.branch, opened.base, opened.draft) == ("main", "work", True)


def test_asked_again_it_is_found(
    github: GitHub, forge: GitHubForge, order: PullRequestOrder
) -> None:
    first = forge.open_pull_request(order)
    assert forge.open_pull_request(replace(order, title="another")) == first
    assert len(github.pulls) == 1


def test_a_closed_one_is_not_taken_for_open(
    github: GitHub, forge: GitHubForge, order: PullRequestOrder
) -> None:
    forge.open_pull_request(order)
    github.pulls[0]["state"] = "closed"
    assert forge.open_pull_request(order).number == 2


def test_the_pull_request_of_a_strangers_fork_is_not_ours(
    github: GitHub, forge: GitHubForge, order: PullRequestOrder
) -> None:
    forge.open_pull_request(order)
    theirs = {**github.pulls[0], "head": {"ref": "work", "label": "stranger:work"}}
    github.pulls[:] = [theirs]
    github.troubles.extend([None, Answer(200, [theirs])])  # as if it did not know the filter
    assert forge.open_pull_request(order).number == 2


def test_two_that_ask_at_once_get_the_same(
    github: GitHub, forge: GitHubForge, order: PullRequestOrder
) -> None:
    both = threading.Barrier(2, timeout=PATIENCE)

    def meet(asked: Asked) -> None:
        if asked.method == "POST":
            both.wait()

    github.before = meet
    with ThreadPoolExecutor(2) as threads:
        one, two = threads.map(forge.open_pull_request, [order, order])
    assert one == two
    assert len(github.pulls) == 1


def test_what_a_task_says_is_only_text(
    github: GitHub, forge: GitHubForge, order: PullRequestOrder
) -> None:
    hostile = 'a"b\n$(touch x) `id` --upload-pack=x \x1b[31m {"head": "evil"}'
    forge.open_pull_request(replace(order, title=hostile, body=hostile))
    [pull] = github.pulls
    assert (pull["title"], pull["body"], pull["head"]["ref"]) == (hostile, hostile, "work")


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(401, {"message": "Bad credentials"}), ForgeRefused, "does not accept"),
        (Answer(403, {"message": "Must have admin"}), ForgeRefused, "do not allow"),
        (Answer(404, {"message": "Not Found"}), ForgeRefused, "no such repository"),
        (Answer(410, {"message": "Gone"}), ForgeRefused, "Gone"),
        (Answer(451, b"no JSON"), ForgeRefused, "451"),
        (Answer(500, {"message": "oops"}), Unavailable, r"\(500\)"),
        (Answer(502, b"<html>"), Unavailable, r"\(502\)"),
        (Answer(429, {"message": "slow down"}), RateLimited, "rate limit"),
        (Answer(200, {}), Unavailable, "not understood"),
        (Answer(200, []), Unavailable, "not understood"),
        (Answer(301, {}, {"Location": "http://127.0.0.2/x"}), ForgeRefused, "BUILDD_GITHUB_API"),
    ],
)
def test_an_error_is_one_line_without_a_secret(
    github: GitHub,
    forge: GitHubForge,
    order: PullRequestOrder,
    *,
    answer: Answer,
    kind: type[BuilddError],
    words: str,
) -> None:
    github.troubles.append(answer)
    with pytest.raises(kind, match=words) as caught:
        forge.open_pull_request(order)
    told = caught.value
    assert type(told) is kind
    assert TOKEN not in f"{told.message} {told.details}"
    assert "\n" not in told.message
    assert told.__suppress_context__


def test_a_refused_pull_request_tells_githubs_reason(
    forge: GitHubForge, github: GitHub, order: PullRequestOrder
) -> None:
    why = {"message": "Validation Failed", "errors": [{"message": "No commits between\nthem"}, "x"]}
    github.troubles.extend([None, None, Answer(422, why)])
    with pytest.raises(ForgeRefused, match="Validation Failed; No commits between them") as caught:
        forge.open_pull_request(order)
    assert caught.value.details["forgeStatus"] == 422


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry-After": "7"}, 7, 7),
        ({"Retry-After": "999999"}, 3600, 3600),
        ({"X-RateLimit-Reset": str(int(time.time()) + 3500)}, 100, 3500),
        ({"X-RateLimit-Reset": "1"}, 1, 1),
        ({}, 60, 60),
    ],
)
def test_a_rate_limit_says_when_to_come_back(
    forge: GitHubForge,
    github: GitHub,
    order: PullRequestOrder,
    *,
    headers: dict[str, str],
    least: int,
    most: int,
) -> None:
    github.troubles.append(
        Answer(403, {"message": "You have exceeded a secondary rate limit"}, headers)
    )
    with pytest.raises(RateLimited) as caught:
        forge.open_pull_request(order)
    assert least <= caught.value.details["retryAfter"] <= most


def test_nobody_there(forge: GitHubForge, github: GitHub, order: PullRequestOrder) -> None:
    github.__exit__()
    with pytest.raises(Unavailable, match=r"GitHub does not answer now \(\w+\)"):
        forge.open_pull_request(order)


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.fixture
def key_file(github: GitHub, tmp_path: Path) -> Path:
    """The private key of the App; GitHub has the public one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    github.public_key = public.decode()
    path = tmp_path / "app.pem"
    path.write_bytes(_pem(key))
    return path


def test_an_app_asks_for_a_token_that_can_do_no_more(
    github: GitHub, order: PullRequestOrder, key_file: Path
) -> None:
    forge = GitHubForge.from_config(
        {"app_id": APP, "app_key_file": str(key_file), "api": github.api}
    )
    assert forge.open_pull_request(order).number == 1
    assert github.tokens == {f"ghs_{APP}_0": {"contents": "read", "pull_requests": "write"}}
    private = key_file.read_text().splitlines()[1]
    assert all(private not in str(asked) for asked in github.asked)
    assert private not in repr(forge)


def test_an_app_that_is_not_installed_there(
    github: GitHub, order: PullRequestOrder, key_file: Path
) -> None:
    forge = GitHubForge.from_config(
        {"app_id": APP, "app_key_file": str(key_file), "api": github.api}
    )
    with pytest.raises(ForgeRefused, match="no such repository, or the credentials do not reach"):
        forge.open_pull_request(replace(order, repo=github.repo("acme/other")))


def test_an_app_with_anothers_key_is_refused(
    github: GitHub, order: PullRequestOrder, key_file: Path
) -> None:
    key_file.write_bytes(_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    forge = GitHubForge.from_config(
        {"app_id": APP, "app_key_file": str(key_file), "api": github.api}
    )
    with pytest.raises(ForgeRefused, match="does not accept the server's credentials"):
        forge.open_pull_request(order)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"token": "t", "app_id": "1"}, "not both"),
        ({"app_id": "1"}, "BUILDD_GITHUB_APP_KEY_FILE is missing"),
        ({"app_key_file": "key.pem"}, "BUILDD_GITHUB_APP_ID is missing"),
        ({"app_id": "1", "app_key_file": "nowhere.pem"}, "APP_KEY_FILE: No such file"),
        ({"token": "t", "api": "http://github.example.com"}, "https://HOST/api/v3"),
        ({"token": "t", "api": "https://me@github.example.com"}, "https://HOST/api/v3"),
        ({"token": "t", "api": "https://[x"}, "https://HOST/api/v3"),
        ({"token": "t", "api": "github.example.com"}, "https://HOST/api/v3"),
    ],
)
def test_a_wrong_setting_is_named(config: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        GitHubForge.from_config(config)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff", "elliptic"])
def test_a_key_that_is_none_is_refused_at_the_start(tmp_path: Path, content: bytes | str) -> None:
    wrong = _pem(ec.generate_private_key(ec.SECP256R1())) if content == "elliptic" else content
    (tmp_path / "app.pem").write_bytes(wrong if isinstance(wrong, bytes) else b"")
    with pytest.raises(ConfigError, match="holds no RSA private key"):
        GitHubForge.from_config({"app_id": "1", "app_key_file": str(tmp_path / "app.pem")})


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/acme/shop",
        "https://github.com/acme/shop.git",
        "https://GitHub.com/acme/shop/",
        "git@github.com:acme/shop.git",
        "github.com:acme/shop",
        "ssh://git@github.com/acme/shop.git",
        "ssh://git@ssh.github.com:443/acme/shop.git",
        "git://github.com/acme/shop.git",
    ],
)
def test_every_way_to_write_a_clone_address(address: str) -> None:
    assert repository_of(address, "github.com") == ("acme", "shop")


@pytest.mark.parametrize(
    "address",
    [
        "https://gitlab.com/acme/shop",
        "https://github.com.evil.example/acme/shop",
        "https://github.com/acme",
        "https://github.com/acme/shop/tree/main",
        "https://github.com/acme/..",
        "https://github.com/../shop",
        "https://github.com/acme/shop%2f..",
        "/srv/git/shop.git",
        "../shop",
        "file:///srv/shop.git",
        "https://[github.com/acme/shop",
        "",
    ],
)
def test_an_address_elsewhere_is_not_asked_for(address: str) -> None:
    with pytest.raises(NotConfigured, match=r"not a repository on github\.com"):
        repository_of(address, "github.com")


@pytest.mark.parametrize(
    ("api", "host"),
    [
        ("", "github.com"),
        ("https://api.github.com", "github.com"),
        ("https://github.example.com/api/v3/", "github.example.com"),
        ("https://api.acme.ghe.com", "acme.ghe.com"),
    ],
)
def test_the_api_tells_the_host_of_the_clones(api: str, host: str) -> None:
    assert GitHubForge.from_config({"token": "t", "api": api}).credentials.host == host
