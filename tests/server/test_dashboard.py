"""The dashboard's files as they are served: what may run, what is kept, and nothing else from the disk."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import httpx2
import pytest

from buildd_server.dashboard import ASSETS, INDEX, PAGES, TYPES, Dashboard, dashboard
from tests.server.serving import Running, problem, running

WEB = Path(str(files("buildd_server") / "web"))
SERVED = sorted(dashboard().assets)
MAIN = f"{ASSETS}{dashboard().digest}/app/main.js"
ALL = [*PAGES, *(f"{ASSETS}{dashboard().digest}/{path}" for path in SERVED)]
LINK = re.compile(r'(?:src|href)="([^"]*)"')


@pytest.fixture
def visitor(served: Running) -> Iterator[httpx2.Client]:
    """A browser without a key."""
    with served.client() as client:
        yield client


def policy(answer: httpx2.Response) -> dict[str, set[str]]:
    parts = (part.split() for part in answer.headers["content-security-policy"].split(";"))
    return {name: set(values) for name, *values in parts}


def test_every_page_is_the_same_and_is_asked_for_anew(visitor: httpx2.Client) -> None:
    answers = [visitor.get(path.replace("{id}", "x_1")) for path in PAGES]
    assert {each.status_code for each in answers} == {200}
    assert {each.headers["content-type"] for each in answers} == {"text/html; charset=utf-8"}
    assert {each.headers["cache-control"] for each in answers} == {"no-cache"}
    assert len({each.text for each in answers}) == 1


def test_a_page_runs_nothing_but_our_own_files(visitor: httpx2.Client) -> None:
    page = visitor.get("/")
    said = policy(page)
    assert said.pop("require-trusted-types-for") == {"'script'"}
    assert {value for values in said.values() for value in values} == {"'none'", "'self'", "blob:"}
    assert "blob:" not in said["script-src"] | said["connect-src"]
    for name in ("default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types"):
        assert said[name] == {"'none'"}, name
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in page.headers["permissions-policy"]
    assert not re.search(r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=", page.text)


def test_all_that_a_page_names_is_there(visitor: httpx2.Client) -> None:
    links = LINK.findall(visitor.get("/").text)
    named = set(links)
    assert MAIN in named
    assert {f"{ASSETS}{dashboard().digest}/{path}" for path in SERVED if path[:4] == "app/"} < named
    assert len(links) == len(named)
    for address in named:
        assert visitor.get(address).status_code == 200, address


def test_a_file_is_kept_for_ever(visitor: httpx2.Client) -> None:
    for path in SERVED:
        answer = visitor.get(f"{ASSETS}{dashboard().digest}/{path}")
        assert answer.content == (WEB / path).read_bytes()
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == TYPES[Path(path).suffix]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_is_not_served_is_for_those_who_work_on_it() -> None:
    there = {str(path.relative_to(WEB)) for path in WEB.rglob("*") if path.is_file()}
    assert {path for path in there - {*SERVED} if not path.endswith(".d.ts")} == {INDEX}


@pytest.mark.parametrize("path", ["/", MAIN])
def test_a_file_is_compressed_for_who_can_read_it(served: Running, path: str) -> None:
    for accepted, packed in [
        ("gzip, deflate, br", True),
        ("br;q=1.0, gzip;q=0.5", True),
        ("identity", False),
        ("br, gzip;q=0", False),
        ("", False),
    ]:
        with (
            served.client(**{"accept-encoding": accepted}) as client,
            client.stream("GET", path) as answer,
        ):
            sent = b"".join(answer.iter_raw())
            assert answer.headers["vary"] == "accept-encoding"
            assert answer.headers.get("content-encoding") == ("gzip" if packed else None)
            assert int(answer.headers["content-length"]) == len(sent)
        with served.client(**{"accept-encoding": "identity"}) as client:
            assert (gzip.decompress(sent) if packed else sent) == client.get(path).content


@pytest.mark.parametrize("path", ["/", MAIN])
def test_who_has_a_file_is_told_so(visitor: httpx2.Client, path: str) -> None:
    first = visitor.get(path)
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        again = visitor.get(path, headers={"if-none-match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == first.headers["cache-control"]
    assert visitor.get(path, headers={"if-none-match": '"other"'}).status_code == 200
    plain = visitor.get(path, headers={"accept-encoding": "identity"})
    assert plain.headers["etag"] != tag


def test_a_head_is_a_get_without_its_body(visitor: httpx2.Client) -> None:
    for path in ALL:
        head, get = visitor.head(path), visitor.get(path)
        assert (head.status_code, head.content) == (200, b"")
        strangers = {"date", "x-request-id"}
        assert {k: v for k, v in head.headers.items() if k not in strangers} == {
            k: v for k, v in get.headers.items() if k not in strangers
        }


@pytest.mark.parametrize(
    "path",
    [
        "app/none.js",
        "app",
        "app/",
        "",
        INDEX,
        "types.d.ts",
        "../dashboard.py",
        "../../pyproject.toml",
        "%2e%2e/dashboard.py",
        "..%2fdashboard.py",
        "app/..%2f..%2fdashboard.py",
        "app\\..\\..\\dashboard.py",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "app/main.js%00",
        "app/main.js/",
    ],
)
def test_there_is_nothing_else(served: Running, visitor: httpx2.Client, path: str) -> None:
    answer = visitor.get(httpx2.URL(served.url, raw_path=f"{MAIN[:-11]}{path}".encode()))
    assert answer.status_code == 404, answer.text


def test_an_older_page_finds_nothing_of_its_own(visitor: httpx2.Client) -> None:
    assert visitor.get(MAIN).status_code == 200
    for digest in ("0" * 20, dashboard().digest.upper() + "x", ""):
        problem(visitor.get(f"{ASSETS}{digest}/app/main.js"), 404, "not_found")
    here = {"index.html": b"  </head>", "app/main.js": b"1"}
    there = {**here, "app/main.js": b"2"}
    assert Dashboard.of(here).digest == Dashboard.of(here).digest
    assert Dashboard.of(here).digest != Dashboard.of(there).digest
    assert Dashboard.of(here).page.plain != Dashboard.of(there).page.plain


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_files_are_only_read(visitor: httpx2.Client, method: str) -> None:
    for path in ("/", "/login", MAIN):
        problem(visitor.request(method, path), 405, "method_not_allowed")


def test_it_catches_nothing_of_the_api(visitor: httpx2.Client) -> None:
    for path in PAGES[1:]:
        answer = visitor.get(f"/api{path.replace('{id}', 'x')}")
        problem(answer, 401, "not_authenticated")


def test_a_page_loads_where_little_may_be_asked_for(tmp_path: Path) -> None:
    """A login page needs all its files, and a stranger's requests are few."""
    database = f"sqlite:///{tmp_path / 'buildd.db'}"
    with running(database, rate_limit=1) as server, server.client() as client:
        for path in ["/login", *ALL[len(PAGES) :] * 3, "/login"]:
            assert client.get(path).status_code == 200


NAMED = {
    "github.com",  # people go there, by a link
    "www.w3.org",  # names a dialect of XML
}
EXAMPLE = re.compile(r"^localhost\b|^127\.0\.0\.1\b|\bexample\.(?:com|org)$")


@pytest.mark.parametrize("path", sorted(WEB.rglob("*.*")), ids=lambda path: path.name)
def test_no_file_names_a_host_that_it_need_not(path: Path) -> None:
    hosts = set(re.findall(r"\w+://([\w.:\[-]+)", path.read_text()))
    assert {host for host in hosts if host not in NAMED and not EXAMPLE.search(host)} == set()


UNSAFE = re.compile(
    r"\.(?:innerHTML|outerHTML|srcdoc)\b|insertAdjacentHTML|setHTML|createContextualFragment"
    r"|DOMParser|document\.write|\beval\(|\bFunction\(|javascript:"
)
"""What makes more of a text than a text."""


@pytest.mark.parametrize("path", sorted(WEB.rglob("*.js")), ids=lambda path: path.name)
def test_text_stays_text(path: Path) -> None:
    code = re.sub(r"(?m)^\s*(?://|\*|/\*).*$", "", path.read_text())
    assert UNSAFE.findall(code) == []
