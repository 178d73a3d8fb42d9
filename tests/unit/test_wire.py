"""What one side writes, the other reads; what is wrong is named."""

from __future__ import annotations

from typing import Any

import pytest

from buildd import errors
from buildd import operations as ops
from buildd.wire import STATUS, decode, encode, error_of, problem_of, status_of

EXAMPLES: list[ops.Operation[Any]] = [
    ops.CreateTask(workspace_id="ws_1", title="Grüße", max_cost=0.1, context={"a": [1, None]}),
    ops.ListTasks(limit=7, status="pending"),
    ops.UpdateTask(id="task_1", description=None, priority=-3),
    ops.RevokeKey(account_id="acc/1 ?", id="key_1"),
    ops.Heartbeat(id="wkr_1"),
    ops.CompleteWorker(id="wkr_1", result={"x": "y"}),
]


@pytest.mark.parametrize("operation", EXAMPLES, ids=lambda op: type(op).__name__)
def test_an_operation_survives_the_wire(operation: ops.Operation[Any]) -> None:
    request = encode(operation)
    path = {name: str(getattr(operation, name)) for name in operation.http.path_fields}
    decoded = decode(type(operation), path, request.query, request.body or b"")
    assert decoded == operation
    assert decoded.model_fields_set == operation.model_fields_set


def test_hostile_path_fields_stay_in_their_segment() -> None:
    path = encode(ops.GetTask(id="../accounts?x=#")).path
    assert path == "/api/tasks/..%2Faccounts%3Fx%3D%23"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"workspaceId":"w"}', "title"),
        (b'{"workspaceId":"w","title":""}', "title"),
        (b'{"workspaceId":"w","title":"t","titel":"x"}', "titel"),
        (b'{"workspaceId":"w","title":"t","runner_preference":"any"}', "runner_preference"),
        (b'{"workspaceId":"w","title":"t","runnerPreference":"moon"}', "runnerPreference"),
        (b'{"workspaceId":"w","title":"a\\u0000b"}', "title"),
        (b'{"workspaceId":"w","title":"t","context":{"a":"\\u0000"}}', "context"),
        (b'{"workspaceId":"w","title":"t","priority":"5"}', "priority"),
        (b'{"workspaceId":"w","title":"t","priority":true}', "priority"),
        (b'{"workspaceId":"w","title":"t","priority":1001}', "priority"),
        (b'{"workspaceId":"w","title":"t","maxCost":"5"}', "maxCost"),
        (b'{"workspaceId":"w","title":"t","maxCost":-1}', "maxCost"),
        (b'{"workspaceId":"w","title":"t","maxCost":0.0000001}', "maxCost"),
        (b'{"workspaceId":"w","title":"t","notBefore":5}', "notBefore"),
        (b'{"workspaceId":"w","title":"t","notBefore":"2026-01-01T00:00:00"}', "notBefore"),
        (b'{"workspaceId":"w","title":"t","dependsOn":[1]}', "dependsOn.0"),
        (b'{"workspaceId":"w","title":"   "}', "title"),
        (b'{"workspaceId":"w","title":"t","notBefore":"0001-01-01T00:00:00+14:00"}', "notBefore"),
        (b'{"workspaceId":"w","title":"t","notBefore":"9999-12-31T23:59:59-14:00"}', "notBefore"),
        (b'{"workspaceId":"w","title":"t","context":{"a":9223372036854775808}}', "context"),
        (b"[]", "body"),
    ],
)
def test_a_wrong_field_is_named(body: bytes, field: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        decode(ops.CreateTask, {}, {}, body)
    assert status_of(caught.value) == 422
    assert [each["field"] for each in caught.value.errors] == [field]


@pytest.mark.parametrize("query", ["limit=1.0", "limit=1_0", "limit=0", "cursor=foo"])
def test_a_wrong_page_is_refused(query: str) -> None:
    name, _, value = query.partition("=")
    with pytest.raises(errors.Invalid) as caught:
        decode(ops.ListTasks, {}, {name: value}, b"")
    assert [each["field"] for each in caught.value.errors] == [name]


def test_a_length_is_told_in_characters() -> None:
    with pytest.raises(errors.Invalid, match="title: String should have at most 500 characters"):
        decode(ops.CreateTask, {}, {}, b'{"workspaceId":"w","title":"' + b"x" * 501 + b'"}')


@pytest.mark.parametrize("repo", ["https://user:pw@example.com/x", "https://token@example.com/x"])
def test_a_repository_carries_no_secret(repo: str) -> None:
    with pytest.raises(errors.Invalid, match="repo: must carry no user or password"):
        decode(ops.CreateWorkspace, {}, {}, f'{{"name":"n","repo":"{repo}"}}'.encode())


def test_a_selection_does_not_run_backwards() -> None:
    body = b'{"content":"c","selection":{"start":5,"end":1}}'
    with pytest.raises(errors.Invalid, match="must not end before it starts"):
        decode(ops.CreateComment, {"artifact_id": "art_1"}, {}, body)


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"a":NaN}', b'{"a":"\xc3"}', b"[" * 10_000])
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(errors.Malformed) as caught:
        decode(ops.CreateTask, {}, {}, body)
    assert status_of(caught.value) == 400


def test_a_path_field_in_the_body_is_refused() -> None:
    with pytest.raises(errors.Invalid, match="id: is given by the path"):
        decode(ops.UpdateTask, {"id": "task_1"}, {}, b'{"id":"task_2"}')


@pytest.mark.parametrize("cls", STATUS, ids=lambda cls: cls.__name__)
def test_an_error_comes_back_as_the_same_class(cls: type[errors.BuilddError]) -> None:
    problem = problem_of(cls("it went wrong", reason="r"))
    back = error_of(problem["status"], problem)
    assert type(back) is cls
    assert (back.message, back.details) == ("it went wrong", {"reason": "r"})


def test_a_detail_cannot_pass_for_a_member_of_the_problem() -> None:
    problem = problem_of(errors.WrongState("no", status="running", code="x"))
    assert (problem["status"], problem["code"]) == (409, "wrong_state")


@pytest.mark.parametrize("field", ["toolInput", "toolOutput"])
def test_json_of_any_kind_is_such_as_both_databases_hold(field: str) -> None:
    body = b'{"content": "x", "%b": ["a\\u0000"]}' % field.encode()
    with pytest.raises(errors.Invalid, match=field):
        decode(ops.CreateMessage, {"worker_id": "wkr_1"}, {}, body)


def test_every_error_has_its_own_code_and_a_status() -> None:
    tree: list[type[errors.BuilddError]] = [errors.BuilddError, *_below(errors.BuilddError)]
    assert len({cls.code for cls in tree}) == len(tree)
    assert all(400 <= status_of(cls()) < 600 for cls in tree)


@pytest.mark.parametrize("document", [None, [], "x", {"code": 7}, {"code": "of-the-future"}])
def test_a_strange_error_body_is_still_an_error(document: object) -> None:
    assert type(error_of(409, document)) is errors.Conflict
    assert type(error_of(418, document)) is errors.BuilddError


def _below(cls: type[errors.BuilddError]) -> list[type[errors.BuilddError]]:
    return [leaf for child in cls.__subclasses__() for leaf in (child, *_below(child))]
