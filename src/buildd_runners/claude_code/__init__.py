"""The `claude-code` executor: the real Claude Code, through its Agent SDK, works on the task."""
