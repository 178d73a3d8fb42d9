"""Plugins: `hookimpl` to write one, `load()` to know what the installed ones offer."""

from buildd.plugins.hookspecs import hookimpl
from buildd.plugins.registry import Observer, Register, Registry, load

__all__ = ["Observer", "Register", "Registry", "hookimpl", "load"]
