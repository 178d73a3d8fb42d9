"""Who does the work in a measurement: a workspace, and accounts that may create and claim in it."""

from __future__ import annotations

from dataclasses import dataclass, field

from buildd.client import Client


@dataclass(frozen=True)
class Crew:
    """A workspace, and a key for each agent."""

    workspace: str
    keys: list[str] = field(repr=False)


def hired(owner: Client, agents: int, each: int) -> Crew:
    """Agents, so many with one account, whose limits are there and never reached."""
    workspace = owner.workspaces.create(name="bench", max_cost_per_day=1_000_000)
    keys: list[str] = []
    for number in range(-(-agents // each)):
        account = owner.accounts.create(
            type="user",
            name=f"team-{number}",
            max_concurrent_workers=100_000,
            max_cost_per_day=1_000_000,
        )
        owner.accounts.grant(account_id=account.id, workspace_id=workspace.id, can_create=True)
        keys += [account.api_key] * each
    return Crew(workspace.id, keys[:agents])
