"""How long tests wait for what must happen: it measures nothing, and is there for what never does."""

from __future__ import annotations

PATIENCE = 100.0
"""Seconds; a little less than pytest gives a test, so that the test itself can say what was missing."""
