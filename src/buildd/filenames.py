"""Names of files that strangers chose: kept and shown as they are, and never a path."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 200
"""Characters of a name."""

_SEPARATORS = "/\\:"
_FORBIDDEN = '<>"|?*'
"""What some file system does not have in names."""
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""What opens a device on Windows, whatever follows a dot."""
_UNSEEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
"""Categories of characters that nobody sees, some of which turn what is around them."""
_MOST_BYTES = 200


def has_control(name: str) -> bool:
    """Whether there is a control character in a name, a line break for instance."""
    return any(unicodedata.category(each) == "Cc" for each in name)


def plain(name: str) -> str:
    """A name under which a file can be put into a directory, on any system, and nowhere else."""
    for each in _SEPARATORS:
        name = name.rpartition(each)[2]
    seen = "".join(
        "_" if each in _FORBIDDEN or unicodedata.category(each) in _UNSEEN else each
        for each in name
    )
    short = seen.encode()[-_MOST_BYTES:].decode(errors="ignore")
    # A name that begins with a dot is hidden, one with a dash looks like an option.
    made = short.strip(" .").lstrip("- .") or "file"
    return f"_{made}" if _DEVICE.fullmatch(made) else made
