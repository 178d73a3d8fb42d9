"""The runner that the page on writing one shows passes the suite, as it stands there."""

from __future__ import annotations

from typing import Any

from tests.docs.test_pages import ROOT, blocks

_example, _ = blocks(ROOT / "docs/how-to/write-a-runner.md", "python")
_page: dict[str, Any] = {"__name__": __name__}
exec(compile(_example, "test_village.py", "exec"), _page)  # noqa: S102 - what people are told to run

TestVillage = _page["TestVillage"]
