"""What of the dashboard needs no browser has tests that Node runs: here, so that one runner tells of all."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parent.parent / "web"

pytestmark = pytest.mark.real


@pytest.mark.parametrize("path", sorted(WEB.glob("*.test.js")), ids=lambda path: path.name)
def test_what_needs_no_browser(path: Path) -> None:
    ran = subprocess.run(
        ["node", "--test", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert ran.returncode == 0, ran.stdout.decode()
