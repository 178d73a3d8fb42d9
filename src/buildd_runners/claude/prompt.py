"""What Claude is told, by the Messages API or in Claude Code: how it works, and then its task."""

from __future__ import annotations

from collections.abc import Sequence

from buildd.models import Message
from buildd.roles import Session
from buildd_runners.brief import RULES, described, retold

# The same for every attempt, so that one prompt cache serves them all.
SYSTEM = f"""\
You are a software engineer who works on one task alone. Nobody watches you type, so carry the task \
through to its end by yourself.

{RULES}
- Look before you change, and run the tests that show that your change is right.
- The file tools reach the worktree and nothing outside it.
- Messages of people may arrive between your steps. They come from those you work for.
- Ask a person with `ask` only for what you cannot find out and must not decide yourself; `report` \
after each larger step.
"""

CLAUDE_CODE = f"""\
You work on one task alone.
{RULES}
- Ask with AskUserQuestion only for what you cannot find out and must not decide yourself: people may \
take hours to answer."""
"""What is added to Claude Code's own rules."""

RESUMED = """\
(The work was interrupted here, and is now taken up again. The shell is a new one, in the worktree's \
root. Look at the state of the worktree before you go on.)"""

CUT_OFF = "Your reply was longer than one reply may be, and was cut off. Go on, in smaller parts."

INTERRUPTED = "interrupted: the work was put aside while this ran, and it may have run in part"


def first(session: Session, earlier: Sequence[Message]) -> str:
    """The message that opens a conversation; `earlier`: what was said in the attempts before it."""
    before = retold(earlier)
    place = f"(The worktree is {session.workdir}.)"
    return "\n\n".join([*described(session.task), place, *before, *([RESUMED] if before else [])])


def heard(messages: Sequence[Message]) -> str:
    """What people said, as a message to the model."""
    return "\n\n".join(_heard(message) for message in messages)


def _heard(message: Message) -> str:
    files = ", ".join(each.filename for each in message.attachments)
    return (message.content or "") + (f"\n(attached: {files})" if files else "")
