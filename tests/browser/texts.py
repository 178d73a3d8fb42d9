"""What a hostile agent would have a dashboard show: texts that run, call or mislead wherever they can.

Each tells a canary which of them ran, if one is shown by who is careless.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import NamedTuple

from tests.browser.payloads import Corpus

ADDRESSES = Path(__file__).parent.parent / "web" / "hostile.js"
MARKDOWN = [
    "![x]({url})",
    "![x][r]\n\n[r]: {url}",
    "[![x]({url})](javascript:{run})",
    "[x](javascript:{run})",
    "[x](<javascript:{run}>)",
    "[x](JaVaScRiPt&colon;{run})",
    "[x](java&Tab;script:{run} 'title')",
    "[x][r]\n\n[r]: javascript:{run}",
    "<javascript:{run}>",
    "[x](data:text/html,{document})",
    "`` ` `` <img src=x onerror={attribute}>",
    "```html\n<img src=x onerror={attribute}>\n```",
    '```"><img src=x onerror={attribute}>\nx\n```',
    "| a |\n|---|\n| <img src=x onerror={attribute}> |",
    "> - 1. # <img src=x onerror={attribute}>",
    "# [x](javascript:{run})",
    "[<img src=x onerror={attribute}>](https://example.com)",
    "[x](https://example.com '\"><img src=x onerror={attribute}>')",
    "<details open ontoggle={attribute}>\n\n**x**",
    "- [x] <img src=x onerror={attribute}>",
    "&lt;img src=x onerror={attribute}&gt; <img src=x onerror={attribute}>",
    "[^1]: <img src=x onerror={attribute}>",
    "$$\\href{{javascript:{run}}}{{x}}$$ [x](javascript:{run})",
    "*<img src=x onerror={attribute}>*",
]
"""Markdown of which some part runs or calls, where it is trusted."""
TERMINAL = [
    "\x1b]8;;javascript:{run}\x07x\x1b]8;;\x07",
    "\x1b]8;;javascript:{run}\x1b\\x\x1b]8;;\x1b\\",
    "\x1b]8;id=1;{url}\x07x\x1b]8;;\x07 ![x]({url})",
    "\x1b[31m<img src=x onerror={attribute}>\x1b[0m",
    "\x1b]0;<img src=x onerror={attribute}>\x07<img src=x onerror={attribute}>",
    "\x1b]1337;File=inline=1:PHN2Zz4=\x07<img src=x onerror={attribute}>",
    "\x1b[38;5;1;</span><img src=x onerror={attribute}>m<img src=x onerror={attribute}>",
    "<im\x1b[1mg src=x\x1b[0m><img src=x onerror={attribute}>",
    "x\x08\r<img src=x onerror={attribute}>\x1b[2K\x1b[1A",
    "\x1bP<img src=x onerror={attribute}>\x1b\\<img src=x onerror={attribute}>",
    "\x9d8;;{url}\x9c<img src=x onerror={attribute}>",
    "\x1b[999999999999999999999m\x1b[;;;;;;m<img src=x onerror={attribute}>",
]
"""What a terminal would obey."""
HIDDEN = [
    "\u202e<img src=x onerror={attribute}>\u202c",
    "\u2066\u202etxt.<img src=x onerror={attribute}>",
    "<img\u200bsrc=x><img src=x onerror={attribute}>",
    "\ufeff<img src=x onerror={attribute}>",
    "<\u00adimg><img src=x onerror={attribute}>",
    "\u2028<img src=x onerror={attribute}>\u2029",
    "\U000e0061<img src=x onerror={attribute}>",
    "\uff1cscript\uff1e<img src=x onerror={attribute}>",
    "\u0301" * 40 + "<img src=x onerror={attribute}>",
    "\u202e" * 60 + "<img src=x onerror={attribute}>",
    "__proto__ <img src=x onerror={attribute}>",
    "constructor %s ${{alert(1)}} {{{{x}}}} <img src=x onerror={attribute}>",
]
"""Characters that a reader does not see, and names that a program may stumble over."""


class Text(NamedTuple):
    """One text, and an address that nobody may be led to."""

    number: int
    words: str
    address: str


class Texts:
    """All texts that tell a canary at that address which of them ran."""

    def __init__(self, canary: str) -> None:
        self._canary = canary

    def __iter__(self) -> Iterator[Text]:
        addresses = hostile_addresses()
        for number, words in enumerate(self._words()):
            yield Text(number, words, addresses[number % len(addresses)])

    def _words(self) -> Iterator[str]:
        files = [each.content for each in Corpus(self._canary)]
        for content in files:
            yield content.decode("utf-8", "replace").replace("\0", "")
        for number, form in enumerate([*MARKDOWN, *TERMINAL, *HIDDEN], len(files) + 1):
            url = f"{self._canary}/{number}"
            run = f"new(Image)().src='{url}'"
            yield form.format(
                url=url,
                run=run,
                attribute=f'"{run};alert({number})"',
                document=escape(f"<script>{run}</script>"),
            )


@cache
def hostile_addresses() -> list[str]:
    """Those that the tests of the dashboard's own functions try, which JavaScript has."""
    told = "console.log(JSON.stringify(all.HOSTILE_ADDRESSES))"
    script = f"import({json.dumps(ADDRESSES.as_uri())}).then((all) => {told})"
    said = subprocess.run(["node", "-e", script], capture_output=True, check=True).stdout
    found: list[str] = [each.replace("\0", "") for each in json.loads(said)]
    return [each for each in found if each]
