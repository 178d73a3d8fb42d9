from __future__ import annotations

from typing import Any

import httpx2
import pytest
import yaml  # type: ignore[import-untyped]
from openapi_spec_validator import validate

from tests.contracts.contract import CODER, Contract, Exchange
from tests.far_end import Answer, Asked, FarEnd

DESCRIPTION = """
paths:
  /things/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer}}
    get:
      parameters:
        - {name: size, in: query, required: true, schema: {type: integer, maximum: 100}}
        - {name: deep, in: query, schema: {type: boolean}}
      responses:
        "200": {$ref: "#/components/responses/Thing"}
    put:
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}
      responses: {"204": {}}
  /things/latest:
    get: {responses: {"200": {$ref: "#/components/responses/Thing"}}}
  /files/{path}:
    get:
      parameters:
        - {name: path, in: path, required: true, schema: {type: string}, x-multi-segment: true}
      responses: {"204": {}}
components:
  responses:
    Thing: {content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}}
  schemas:
    Refusal: {type: object, required: [message]}
    Thing:
      type: object
      required: [name]
      properties:
        name: {type: string}
        made_at: {type: string, format: date-time, nullable: true}
        parts: {type: array, items: {$ref: "#/components/schemas/Thing"}}
"""


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract(DESCRIPTION, "Refusal")


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (("GET", "/things/1", {"size": "5"}, {}), None),
        (("GET", "/things/1", {"size": "5", "deep": "true"}, {}), None),
        (("GET", "/things/latest", {}, {}), None),
        (("GET", "/files/a/b.txt", {}, {}), None),
        (("PUT", "/things/1", {}, {"name": "a", "made_at": None}), None),
        (("GET", "/thing/1", {}, {}), "GET /thing/1: there is no such call"),
        (("DELETE", "/things/1", {}, {}), "there is no such call"),
        (("GET", "/things/1/2", {}, {}), "there is no such call"),
        (("GET", "/things/one", {"size": "5"}, {}), "path parameter id: $: 'one' is not"),
        (("GET", "/things/1", {}, {}), "query parameter size: it is missing"),
        (("GET", "/things/1", {"size": "101"}, {}), "query parameter size: $: 101 is greater"),
        (("GET", "/things/1", {"size": "5", "deep": "yes"}, {}), "parameter deep: $: 'yes' is not"),
        (("GET", "/things/1", {"size": "5", "wide": "1"}, {}), "parameter wide: there is no such"),
        (("GET", "/things/1", {"size": "5"}, {"a": 1}), "it takes nothing in the body"),
        (("PUT", "/things/1", {}, {}), "$: 'name' is a required property"),
        (("PUT", "/things/1", {}, {"name": "a", "made_at": "today"}), "$.made_at: 'today' is not"),
        (
            ("PUT", "/things/1", {}, {"name": "a", "parts": [{}]}),
            "$.parts[0]: 'name' is a required",
        ),
    ],
)
def test_a_request(
    contract: Contract, request_: tuple[str, str, dict[str, str], Any], said: str | None
) -> None:
    faults = contract.faults(Exchange(*request_))
    assert len(faults) == (said is not None)
    assert (said or "") in "".join(faults)


@pytest.mark.parametrize(
    ("method", "status", "answered", "said"),
    [
        ("GET", 200, {"name": "a", "made_at": "2026-03-01T00:00:00Z"}, None),
        ("GET", 404, {"message": "none"}, None),
        ("PUT", 204, None, None),
        ("GET", 200, {"name": 1}, "GET /things/{id}: 200: $.name: 1 is not of type 'string'"),
        ("GET", 201, {"name": "a"}, "201: it never answers that"),
        ("GET", 404, {}, "404: $: 'message' is a required property"),
        ("PUT", 204, {}, "204: there is nothing in the body"),
    ],
)
def test_an_answer(
    contract: Contract, method: str, status: int, answered: Any, said: str | None
) -> None:
    query = {"size": "5"} if method == "GET" else {}
    sent = {} if method == "GET" else {"name": "a"}
    faults = contract.faults(Exchange(method, "/things/1", query, sent, status, answered))
    assert len(faults) == (said is not None)
    assert (said or "") in "".join(faults)


def test_what_was_answered_is_counted() -> None:
    contract = Contract(DESCRIPTION, "Refusal")
    contract.faults(Exchange("GET", "/things/latest", {}, {}))
    contract.faults(Exchange("GET", "/things/latest", {}, {}, 200, {"name": "a"}))
    assert contract.calls == {"GET /things/latest": 1}


class Things(FarEnd):
    answer = Answer(200, {"name": "a"})

    def contract(self) -> Contract:
        return Contract(DESCRIPTION, "Refusal")

    def respond(self, asked: Asked) -> Answer:
        self.compare(asked, self.answer)
        return self.answer


def test_a_far_end_that_strays_tells_at_its_end() -> None:
    with Things() as things:
        assert httpx2.get(f"{things.url}/things/latest").json() == {"name": "a"}
    strayed = "GET /things/latest: query parameter deep: there is no such\n.*200: .*name: 1 is not"
    with pytest.raises(AssertionError, match=strayed), Things() as things:
        things.answer = Answer(200, {"name": 1})
        assert httpx2.get(f"{things.url}/things/latest?deep=true").json() == {"name": 1}


def test_what_we_say_of_coder_is_a_description() -> None:
    validate(yaml.safe_load(CODER.read_text()))
