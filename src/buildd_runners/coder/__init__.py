"""Coder, where a workspace is an agent's home. Nothing is imported before it is needed."""
