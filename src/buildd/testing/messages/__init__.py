"""A stand-in for the Messages API, so that what talks to a model is tested whole, offline, for nothing.

    from buildd.testing.messages import FakeModel, Fault, Reply, ToolUse

    script = [
        Fault(529),
        Reply("I look.", tools=[ToolUse("Bash", {"command": "ls"})]),
        Reply("There are two files."),
    ]
    with FakeModel(script) as model:
        client = anthropic.Anthropic(base_url=model.url, api_key="any")
        ...
        assert model.requests[-1].tool_results == ["one.txt  two.txt"]

It is a real HTTP server on loopback; Claude Code and the `anthropic` SDK take it for the real one
(the SDK's tool runner with `thread=False`). Give it as `ANTHROPIC_BASE_URL`.
"""

from buildd.testing.messages.fake import FakeModel
from buildd.testing.messages.request import ModelRequest
from buildd.testing.messages.script import Fault, Gate, Reply, Script, ToolUse, Turn, Usage

__all__ = [
    "FakeModel",
    "Fault",
    "Gate",
    "ModelRequest",
    "Reply",
    "Script",
    "ToolUse",
    "Turn",
    "Usage",
]
