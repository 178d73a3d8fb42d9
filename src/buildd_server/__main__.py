"""`python -m buildd_server` is `buildd server` for those who have no scripts on their path."""

from __future__ import annotations

import sys

from dotenv import load_dotenv

from buildd.cli._exits import run
from buildd_server.command import server

if __name__ == "__main__":
    load_dotenv(".env")
    sys.exit(run(server, sys.argv[1:], "python -m buildd_server"))
