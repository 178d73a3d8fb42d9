"""What passes between us and GitHub is as GitHub describes it, call by call.

Every test that speaks with our far end compares; here it is seen that no call is left out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.contract import GITHUB

ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/github/test_pulls.py",
    "tests/github/test_agent.py",
    "tests/github/test_issues.py",
    "tests/webhooks/test_reports.py",
    "tests/runners/test_github_actions.py",
)
REPOSITORY = "/repos/{owner}/{repo}"
CALLS = {
    f"GET {REPOSITORY}",
    f"GET {REPOSITORY}/installation",
    f"GET {REPOSITORY}/issues",
    f"GET {REPOSITORY}/issues/{{issue_number}}/comments",
    f"POST {REPOSITORY}/issues/{{issue_number}}/comments",
    f"PATCH {REPOSITORY}/issues/comments/{{comment_id}}",
    f"GET {REPOSITORY}/pulls",
    f"POST {REPOSITORY}/pulls",
    f"POST {REPOSITORY}/dispatches",
    f"GET {REPOSITORY}/contents/{{path}}",
    f"GET {REPOSITORY}/actions/permissions",
    f"GET {REPOSITORY}/actions/workflows/{{workflow_id}}",
    f"GET {REPOSITORY}/actions/workflows/{{workflow_id}}/runs",
    f"POST {REPOSITORY}/actions/workflows/{{workflow_id}}/dispatches",
    f"GET {REPOSITORY}/actions/runs/{{run_id}}",
    f"POST {REPOSITORY}/actions/runs/{{run_id}}/cancel",
    f"POST {REPOSITORY}/actions/runs/{{run_id}}/force-cancel",
    "POST /app/installations/{installation_id}/access_tokens",
}


@pytest.mark.real
@pytest.mark.timeout(600)
def test_what_passes_between_us_and_github_is_as_github_describes_it() -> None:
    assert GITHUB.is_file(), "GitHub's description of its API is not here: make .make/specs"
    watched = ["-p", "tests.contracts.watching", "-m", "not real", "-p", "no:cacheprovider"]
    # GitHub is told the same whatever keeps our rows, and nothing new by the suite of all runners.
    watched += ["-k", "not postgres and not TestBy"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--quiet", *watched, *TESTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, _, compared = done.stdout.partition("calls that were compared")
    assert set(re.findall(r"^ +\d+ (\w+ /.*)$", compared, re.MULTILINE)) == CALLS
