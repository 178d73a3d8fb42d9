"""What Claude Code wants to know of a person: its questions, and its wishes to do something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from claude_agent_sdk import (
    PermissionResult,
    PermissionResultAllow,
    PermissionResultDeny,
    ToolPermissionContext,
)

from buildd.errors import BuilddError
from buildd.models import QuestionType
from buildd.roles import Session
from buildd.text import storable
from buildd_runners.claude_code.settings import PermissionMode
from buildd_runners.cut import cut

ASK = "AskUserQuestion"
_SHELL = "Bash"
_ALLOW, _ALWAYS, _DENY = "allow", "allow always", "deny"
_YES = frozenset({_ALLOW, _ALWAYS, "yes", "y", "ok"})
_SUBJECTS = ("command", "file_path", "notebook_path", "url")
_LONG = 4_000
"""Characters of what a tool was given that a question shows."""
_LONGEST = 50_000


class Questions:
    """Brings each question to a person, and the answer back."""

    def __init__(self, session: Session, mode: PermissionMode) -> None:
        self._session = session
        self._mode = mode
        self._always: set[tuple[str, str]] = set()

    async def decide(
        self, tool: str, given: dict[str, Any], context: ToolPermissionContext
    ) -> PermissionResult:
        """Whether a tool may be used, and with what; the SDK calls it where the CLI would prompt."""
        if tool == ASK:
            return await self._question(given)
        if self._trusts(tool, given, context):
            return PermissionResultAllow()
        return await self._permission(tool, given, context)

    def _trusts(self, tool: str, given: dict[str, Any], context: ToolPermissionContext) -> bool:
        if self._mode is PermissionMode.BYPASS or (tool, _subject(given)) in self._always:
            return True
        # Where a command is to work outside the directory, the CLI names the path.
        path = context.blocked_path
        at_home = path is None or Path(path).resolve().is_relative_to(
            self._session.workdir.resolve()
        )
        return tool == _SHELL and at_home and self._mode is PermissionMode.ACCEPT_EDITS

    async def _permission(
        self, tool: str, given: dict[str, Any], context: ToolPermissionContext
    ) -> PermissionResult:
        options = [_ALLOW, _ALWAYS, _DENY]
        try:
            said = await self._ask(_wish(tool, given, context), QuestionType.PERMISSION, options)
        except BuilddError as problem:
            return PermissionResultDeny(message=f"nobody could be asked: {problem}")
        answer = said.strip().casefold()
        if answer not in _YES:
            told = "" if answer in ("", _DENY, "no") else f" and said: {said}"
            return PermissionResultDeny(message=f"A person refused this{told}")
        if answer == _ALWAYS:
            # The rules that the CLI suggests reach further than what the person was shown.
            self._always.add((tool, _subject(given)))
        return PermissionResultAllow()

    async def _question(self, given: dict[str, Any]) -> PermissionResult:
        answers: dict[str, str] = {}
        try:
            for each in given.get("questions", ()):
                text, choices = _worded(each)
                answers[each["question"]] = await self._ask(text, QuestionType.QUESTION, choices)
        except BuilddError as problem:
            return PermissionResultDeny(message=f"nobody could be asked: {problem}")
        return PermissionResultAllow(updated_input={**given, "answers": answers})

    async def _ask(self, prompt: str, kind: QuestionType, options: list[str]) -> str:
        text = storable(cut(prompt, _LONGEST), 2 * _LONGEST) or "?"
        return await self._session.ask(text, type=kind, options=options or None)


def _subject(given: dict[str, Any]) -> str:
    """What it is about: the command, the file or the page."""
    found = (given[name] for name in _SUBJECTS if name in given)
    return str(next(found, json.dumps(given, sort_keys=True, default=str)))


def _wish(tool: str, given: dict[str, Any], context: ToolPermissionContext) -> str:
    """What it wants to do, so that one can decide without having watched."""
    parts = [context.title or f"Claude Code wants to use {context.display_name or tool}"]
    parts += [f"{name}: {cut(str(value), _LONG)}" for name, value in given.items()]
    if context.decision_reason:
        parts.append(f"({context.decision_reason})")
    return "\n".join(parts)


def _worded(question: dict[str, Any]) -> tuple[str, list[str]]:
    """One question with what its options mean, and the options."""
    lines, labels = [str(question["question"])], []
    for option in question.get("options", ()):
        labels.append(str(option["label"]))
        if option.get("description"):
            lines.append(f"- {option['label']}: {option['description']}")
    if question.get("multiSelect"):
        lines.append("(several may be named, with commas)")
    return "\n".join(lines), labels
