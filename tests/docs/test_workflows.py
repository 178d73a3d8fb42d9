"""The workflows and the action that we ship are sound, as an auditor of workflows sees them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "examples" / "github").glob("*.yml"))
WORKFLOWS = [path for path in FILES if path.name != "action.yml"]
_FOREIGN = re.compile(r"\$\{\{")


def audited(*paths: Path) -> list[str]:
    """What zizmor finds, down to what only smells; without asking anybody over the network."""
    zizmor = shutil.which("zizmor", path=str(Path(sys.executable).parent))
    assert zizmor is not None
    done = subprocess.run(
        [zizmor, "--offline", "--quiet", "--pedantic", "--strict-collection", "--format=json"]
        + [str(path) for path in paths],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return [found["ident"] for found in json.loads(done.stdout)]


def steps(path: Path) -> list[dict[str, Any]]:
    said = yaml.safe_load(path.read_text())
    parts = [said["runs"]] if "runs" in said else said["jobs"].values()
    return [step for part in parts for step in part["steps"]]


def test_there_is_nothing_to_find() -> None:
    assert [path.name for path in FILES] == ["action.yml", "buildd.yml", "keyless.yml"]
    assert audited(*FILES) == []


def test_it_would_be_found(tmp_path: Path) -> None:
    careless = tmp_path / "careless.yml"
    text = WORKFLOWS[0].read_text()
    careless.write_text(
        text.replace("exec buildd-agent", "echo ${{ github.event.client_payload.title }}").replace(
            "    steps:\n", "    steps:\n      - uses: actions/checkout@v4\n"
        )
    )
    assert {"template-injection", "unpinned-uses"} <= {*audited(careless)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_from_elsewhere_becomes_a_script(path: Path) -> None:
    for step in steps(path):
        assert not _FOREIGN.search(step["run"])
        subprocess.run(["bash", "-n"], input=step["run"], text=True, check=True)


def test_a_run_without_a_key_may_do_what_it_needs_and_no_more() -> None:
    [job] = yaml.safe_load((WORKFLOWS[1]).read_text())["jobs"].values()
    assert job["permissions"] == {"contents": "write", "id-token": "write"}
    assert "secrets." not in WORKFLOWS[1].read_text()


def test_the_inputs_of_the_action_are_kebab_case_and_used() -> None:
    text = FILES[0].read_text()
    for name, given in yaml.safe_load(text)["inputs"].items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert text.count(f"${{{{ inputs.{name} }}}}") == 1
        assert given["description"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
@pytest.mark.parametrize("changed", [False, True])
def test_an_installer_that_is_another_is_not_run(path: Path, changed: bool, tmp_path: Path) -> None:
    installer = b'touch "$RUNNER_TEMP/ran"\n'
    (tmp_path / "published").write_bytes(installer + b"\n" * changed)
    curl = tmp_path / "curl"
    curl.write_text(f'#!/bin/sh\nexec cp {tmp_path}/published "$RUNNER_TEMP/install-agent.sh"\n')
    curl.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path),
        "INSTALLER": "https://get.example.com/install-agent.sh",
        "SHA256": hashlib.sha256(installer).hexdigest(),
    }
    done = subprocess.run(
        ["bash", "-e", "-c", steps(path)[0]["run"]],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert (done.returncode == 0, (tmp_path / "ran").exists()) == (not changed, not changed)
