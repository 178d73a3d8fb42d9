"""The OpenAPI document and the docs page say what the server really does."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import httpx2
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Mount, Route, Router

from buildd.operations import OPERATIONS
from buildd_server.auth import Authenticated
from buildd_server.dashboard import ASSET, PAGES
from buildd_server.schemas import wire_path
from tests.server.serving import Running


@pytest.fixture
def document(served: Running) -> dict[str, Any]:
    with served.client() as client:
        answer: dict[str, Any] = client.get("/api/openapi.json").json()
    return answer


@pytest.fixture
def page(served: Running) -> httpx2.Response:
    with served.client() as client:
        return client.get("/api/docs")


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_every_operation_is_in_it(document: dict[str, Any]) -> None:
    for operation in OPERATIONS:
        entry = document["paths"][wire_path(operation)][operation.http.method.lower()]
        assert entry["operationId"].lower() == operation.__name__.lower()
        assert str(operation.http.status) in entry["responses"]
        in_path = {each["name"] for each in entry["parameters"] if each["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", wire_path(operation)))


def test_every_route_is_in_it(served: Running, document: dict[str, Any]) -> None:
    served_paths = set()
    for route in served.server._app.routes:
        if isinstance(route, Mount):
            assert isinstance(route.app, Authenticated)
            router = route.app._app
            assert isinstance(router, Router)
            inner = [each for each in router.routes if isinstance(each, Route)]
            served_paths |= {f"{route.path}{each.path}" for each in inner}
        else:
            assert isinstance(route, Route)
            served_paths.add(route.path)
    documented = {re.sub(r"{\w+}", "{}", path) for path in document["paths"]}
    # What MCP says there, it describes itself; and the dashboard is for people.
    api = served_paths - {"/mcp", *PAGES, ASSET}
    described = {re.sub(r"{\w+}", "{}", path) for path in api}
    assert described == documented


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [entry["operationId"] for verbs in document["paths"].values() for entry in verbs.values()]
    assert len(ids) == len(set(ids))


def test_schema_names_are_clean(document: dict[str, Any]) -> None:
    assert all(re.fullmatch(r"[A-Z][A-Za-z]*", name) for name in document["components"]["schemas"])


def test_only_the_open_routes_need_no_key(document: dict[str, Any]) -> None:
    assert document["security"] == [{"bearer": []}, {"session": []}]
    free = {
        path
        for path, verbs in document["paths"].items()
        if any(entry.get("security") == [] for entry in verbs.values())
    }
    assert free == {
        "/health",
        "/ready",
        "/metrics",
        "/api/openapi.json",
        "/api/docs",
        "/api/auth/github-oidc",
        "/api/webhooks/github/{sourceId}",
    }


def test_a_patch_promises_no_defaults(document: dict[str, Any]) -> None:
    fields = document["components"]["schemas"]["UpdateTask"]["properties"]
    assert not any("default" in field for field in fields.values())


def test_the_page_shows_every_operation_and_model(page: httpx2.Response) -> None:
    for operation in OPERATIONS:
        assert f'id="{operation.__name__}"' in page.text
    links = set(re.findall(r'href="#(\w+)"', page.text))
    anchors = set(re.findall(r'id="(\w+)"', page.text))
    assert links <= anchors


def test_the_page_runs_nothing_and_loads_nothing(page: httpx2.Response) -> None:
    policy = page.headers["content-security-policy"]
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'")
    assert f"'sha256-{digest}'" in policy
    assert "<script" not in page.text
    assert "style=" not in page.text
    assert "src=" not in page.text
