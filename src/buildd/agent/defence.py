"""What a repository's own configuration may not make the agent's git run.

Tasks can write that configuration, and the agent runs git after them, perhaps outside of what
confined them. The person's own configuration, in their home, stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_OWN = ("local", "worktree")
"""The scopes of configuration that live in a repository."""

_HARMLESS = (
    (re.compile(r"filter\..*\.(clean|smudge|process)"), ""),
    (re.compile(r"merge\..*\.driver"), "false"),
    (re.compile(r"gpg\.(.*\.)?(program|defaultkeycommand)"), "false"),
    (re.compile(r"core\.sshcommand"), "ssh"),
    (re.compile(r"core\.(gitproxy|askpass)"), ""),
    (re.compile(r"core\.alternaterefscommand"), "true"),
    (re.compile(r"credential\.(.*\.)?helper"), ""),
    (re.compile(r"remote\..*\.uploadpack"), "git-upload-pack"),
    (re.compile(r"remote\..*\.receivepack"), "git-receive-pack"),
)
"""Settings that name a program, and what they are set to instead."""


def overrides(listing: str) -> Iterator[tuple[str, str]]:
    """The settings to run git with, given `git config --list --null --show-scope --includes`.

    A filter that is required and defined in the repository alone makes git fail, and no file is
    committed as it should not be.
    """
    parts = listing.split("\0")
    for scope, setting in zip(parts[::2], parts[1::2], strict=False):
        name = setting.partition("\n")[0]
        for pattern, value in _HARMLESS:
            if scope in _OWN and pattern.fullmatch(name.lower()):
                yield name, value
