"""Many tasks from one file: all or none, and what is wrong is told by its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, Here


def test_one_task_on_each_line(here: Here, tmp_path: Path) -> None:
    elsewhere = here.json("workspaces", "create", "another")["id"]
    file = tmp_path / "tasks.jsonl"
    file.write_text(
        '\ufeff{"title": "one", "maxCost": 1.1}\n\n'
        f'{{"title": "two\u2028lines", "workspaceId": "{elsewhere}", "onDependencyFailure": "run"}}\n',
        encoding="utf-8",
    )
    one, two = here.json("tasks", "create-many", str(file))
    assert (one["title"], one["maxCost"], two["onDependencyFailure"]) == ("one", 1.1, "run")
    assert two["workspaceId"] == elsewhere != one["workspaceId"]
    assert "two lines" in here.ok("tasks", "create-many", str(file)).splitlines()[-1]


def test_an_array_of_tasks_from_stdin(here: Here) -> None:
    tasks = json.dumps([{"title": f"t{number}"} for number in range(500)], indent=2).encode()
    made = here.json("tasks", "create-many", "-", stdin=tasks)
    assert [each["title"] for each in made] == [f"t{number}" for number in range(500)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{"title": "a"}\n\n{"title": "b", "priority": "high", "colour": 1}',
            (
                "line 3: priority: Input should be a valid integer; "
                "standard input line 3: colour: unknown field"
            ),
        ),
        ('[{"title": "a"}, {"titel": "b"}]', "item 2: title: is required"),
        ('[{"title": "a"}, 7]', """item 2: must be a JSON object such as {"title": "Fix it"}"""),
        ('{"title": "a"}\n{"title":}', "line 2: is not one JSON object: Expecting value"),
        ('{"title": "a"} {"title": "b"}', "line 1: is not one JSON object: Extra data"),
        ('{"title": ' + "[" * 100_000, "line 1: is not one JSON object: "),
        ('[{"title": "a"},', "is not valid JSON: Expecting value: line 1 column 17"),
        ('{"title": "a", "maxCost": NaN}', "line 1: maxCost: "),
        ("\n \n", "holds no tasks: write one JSON object on each line"),
        ("[]", "holds no tasks: write one JSON object on each line"),
        ("caf\xe9", "is not UTF-8 text"),
        ('{"title": ""}\n' * 9, "; and 4 more"),
        (json.dumps([{"title": "a"}] * 501), "tasks: List should have at most 500 items"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(here: Here, text: str, said: str) -> None:
    assert said in here.error(2, "tasks", "create-many", "-", stdin=text.encode("latin-1"))
    assert here.json("tasks", "list") == []


def test_all_or_none(here: Here) -> None:
    lines = b'{"title": "a"}\n{"title": "b", "dependsOn": ["task_unknown"]}\n'
    said = here.error(2, "tasks", "create-many", "-", stdin=lines)
    assert "task_unknown is not a task of this workspace" in said
    assert here.json("tasks", "list") == []


def test_a_workspace_is_needed(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUILDD_WORKSPACE")
    said = here.error(2, "tasks", "create-many", "-", stdin=b'{"title": "a"}')
    assert said.startswith("standard input line 1: workspaceId: is required")
    assert here.error(
        3, "tasks", "create-many", "-", "--workspace", "ws_no", stdin=b'{"title":"a"}'
    )


def test_what_is_sent_again_is_done_once(remote: Cli) -> None:
    workspace = remote.json("workspaces", "create", "shop")["id"]
    remote.environ["BUILDD_WORKSPACE"] = workspace
    (remote.directory / "tasks.jsonl").write_text('{"title": "one"}\n{"title": "two"}\n')
    many = ("tasks", "create-many", "tasks.jsonl", "--idempotency-key", workspace)
    assert remote.json(*many) == remote.json(*many)
    said = remote.error(2, *("tasks", "create", "x", "--idempotency-key", workspace))
    assert said == "Idempotency-Key: was used with another request"
    one = ("tasks", "create", "three", "--idempotency-key", f"{workspace}-3")
    assert remote.json(*one) == remote.json(*one)
    titles = [each["title"] for each in remote.json("tasks", "list")]
    assert titles == ["three", "two", "one"]
    (remote.directory / "wrong.jsonl").write_text('{"title": "one"}\n{"title": 2}\n')
    said = remote.error(2, "tasks", "create-many", "wrong.jsonl")
    assert said.startswith("wrong.jsonl line 2: title: ")
