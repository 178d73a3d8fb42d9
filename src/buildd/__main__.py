"""`python -m buildd` is `buildd`."""

from __future__ import annotations

import sys

from buildd.cli import main

if __name__ == "__main__":
    sys.exit(main())
