"""`python -m buildd_server` is `buildd server` for those who have no scripts on their path."""

from __future__ import annotations

from dotenv import load_dotenv

from buildd_server.command import server

if __name__ == "__main__":
    load_dotenv(".env")
    server(prog_name="python -m buildd_server")
