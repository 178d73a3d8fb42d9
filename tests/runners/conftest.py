"""The office of the agent's tests, for executors too."""

from __future__ import annotations

from tests.agent.conftest import empty_home, office, open_office, repository

__all__ = ["empty_home", "office", "open_office", "repository"]
