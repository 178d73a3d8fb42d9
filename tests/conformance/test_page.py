"""The example of the page on the suite, collected as it stands there: the whole suite on its transport."""

from __future__ import annotations

from typing import Any

from tests.docs.test_pages import ROOT, blocks

[_example] = blocks(ROOT / "docs/how-to/test-your-own-broker-or-client.md", "python")
_page: dict[str, Any] = {"__name__": __name__}
exec(compile(_example, "test_traced.py", "exec"), _page)  # noqa: S102 - what people are told to run

TestTraced = _page["TestTraced"]
