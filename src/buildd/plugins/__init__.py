"""Plugins: `hookimpl` to write one, `load()` to know what the installed ones offer."""

from buildd.plugins.hookspecs import hookimpl
from buildd.plugins.registry import Register, Registry, load

__all__ = ["Register", "Registry", "hookimpl", "load"]
