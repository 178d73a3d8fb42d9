"""The source that the page on writing one shows passes the suite, as it stands there."""

from __future__ import annotations

from typing import Any

from buildd import plugins
from tests.docs.test_pages import ROOT, blocks

_example, _hook = blocks(ROOT / "docs/how-to/write-a-source.md", "python")
_page: dict[str, Any] = {"__name__": __name__}
exec(compile(_example, "test_tracker.py", "exec"), _page)  # noqa: S102 - what people are told to run
exec(compile(_hook, "buildd_tracker.py", "exec"), _page)  # noqa: S102

TestTracker = _page["TestTracker"]
test_what_is_urgent_comes_first = _page["test_what_is_urgent_comes_first"]
address = _page["address"]


def test_its_hook_makes_it_of_its_configuration() -> None:
    class Plugin:
        register_sources = staticmethod(_page["register_sources"])

    made = plugins.load(Plugin()).sources.make("tracker", {"url": "http://far", "token": "abc"})
    assert (made.url, made.token) == ("http://far", "abc")  # type: ignore[attr-defined]
