"""`import buildd` costs nothing, and its public names are a list that nothing joins by accident."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

import buildd
from buildd import errors, models

HEAVY = {
    "alembic",
    "anthropic",
    "anyio",
    "asyncio",
    "click",
    "github",
    "httpx2",
    "mcp",
    "pluggy",
    "psutil",
    "psycopg",
    "pydantic",
    "rich",
    "sqlalchemy",
    "sqlmodel",
    "sse_starlette",
    "starlette",
    "uvicorn",
}

PUBLIC = """
    Account AccountType AccountWhy Agent AlreadyExists Artifact ArtifactType AsyncClient Attachment
    AuditEntry Beat BuilddError Claim Claimed Client Comment ConfigError Conflict Deleted Delivery
    DeliveryStatus Enrolled Enrolment ErrorCode Event EventType Forbidden ForgeRefused Grant Hook
    HookMessage HookType InternalError Invalid Key Launch LaunchStatus Lease LeaseLost Leftover
    Malformed Message NewAccount NewHook NewKey NewLease NotAuthenticated NotClaimable NotConfigured
    NotFound Order OutcomeUnknown Pool PoolCheck PoolWhy PreconditionFailed PullRequest QuestionType
    RateLimited Reason ReasonCode Refusal Reported Role RunnerPreference Said Schedule Scope Selection
    Source SourceSecret Spend Task TaskCounts TaskStatus TooLarge Trust Unavailable Unreachable WaitingFor Why
    Worker WorkerStatus Workspace WrongState __version__ agent connect connect_async etag_of
"""


WAITING = """
from buildd import plugins
from buildd.agent import serve_async
from buildd.cli import _board, agent
from buildd.client import connect_async
from buildd.ids import secret_kind

connect_async("http://127.0.0.1:1", api_key="k")
plugins.load().executors.make("command", {"command": "true"})
"""
"""What an agent does before it first asks its server for anything."""

BUILT = """
from pydantic import BaseModel

def tree(cls):
    return {cls}.union(*map(tree, type.__subclasses__(cls)))

names = [each.__qualname__ for each in tree(BaseModel) if each.__pydantic_complete__]
"""


def named_by(program: str) -> set[str]:
    """What a program in a fresh interpreter leaves in `names`."""
    before, after = f"import sys\nsys.path[:0] = {sys.path!r}", "print(json.dumps(list(names)))"
    ran = subprocess.run(
        [sys.executable, "-I", "-c", f"{before}\n{program}\nimport json\n{after}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(ran.stdout))


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after a statement."""
    loaded = named_by(f"{statement}\nnames = list(sys.modules)")
    return {name.partition(".")[0] for name in loaded}


def test_importing_buildd_loads_nothing_heavy() -> None:
    assert loaded_by("import buildd") & HEAVY == set()


def test_a_client_of_a_server_loads_no_database_and_no_server() -> None:
    unneeded = HEAVY - {"anyio", "httpx2", "click", "rich", "pydantic"}
    # Importing httpx2 brings its own command line's libraries where they are installed.
    assert loaded_by("import buildd; buildd.connect('http://127.0.0.1:1')") & unneeded == set()


def test_an_agent_that_waits_holds_nothing_that_only_work_needs() -> None:
    needed = {"anyio", "asyncio", "click", "httpx2", "pluggy", "pydantic", "rich"}
    unneeded = (HEAVY - needed) | {"tomllib", "uuid_utils"}
    assert loaded_by(WAITING) & unneeded == set()


def test_an_agent_that_waits_has_built_no_model() -> None:
    assert named_by(WAITING + BUILT) == set()


@pytest.mark.parametrize("part", ["locks", "options", "process", "scratch"])
def test_a_part_of_the_agent_loads_no_agent(part: str) -> None:
    assert loaded_by(f"import buildd.agent.{part}") & HEAVY <= {"anyio", "asyncio"}


def test_the_public_names_are_these() -> None:
    assert buildd.__all__ == sorted(PUBLIC.split())
    assert dir(buildd) == buildd.__all__


@pytest.mark.parametrize("name", PUBLIC.split())
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(buildd, name)
    assert value is getattr(buildd, name)
    assert name == "__version__" or value.__doc__


def test_every_model_and_every_error_is_public() -> None:
    tree = {cls.__name__ for cls in vars(errors).values() if isinstance(cls, type)}
    tree = {name for name in tree if issubclass(getattr(errors, name), errors.BuilddError)}
    assert tree | (set(models.__all__) - {"Model"}) <= set(buildd.__all__)


def test_a_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'buildd' has no attribute 'Taks'"):
        _ = buildd.Taks  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"module 'buildd\.agent' has no attribute 'srve'"):
        _ = buildd.agent.srve  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "package", ["buildd.agent", "buildd.broker", "buildd.client", "buildd.models"]
)
def test_what_a_package_lists_is_there(package: str) -> None:
    module = importlib.import_module(package)
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert missing == []
