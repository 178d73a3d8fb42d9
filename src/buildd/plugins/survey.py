"""What the installed plugins offer, and what keeps the others from it: for people who look into it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint

from buildd.models import Model
from buildd.plugins.registry import in_a_line, installed, load_one


class Offer(Model):
    """One thing that a plugin offers; or a plugin that offers nothing, and why."""

    kind: str | None = None
    """runner, executor, forge or source; observer (`task_event`) or preference (`prefer`)."""
    name: str | None = None
    """What people call it by; None for those that nobody calls."""
    plugin: str
    """The name of its entry point."""
    module: str
    distribution: str | None = None
    """The installed package that it belongs to."""
    version: str | None = None
    problem: str | None = None
    """Why it cannot be used, in one line. One such plugin keeps all others from loading."""


def survey() -> list[Offer]:
    """Every offer of every installed plugin. A plugin that does not load does not stop it."""
    found: list[Offer] = []
    for entry in installed():
        taken = {(each.kind, each.name) for each in found if each.name is not None}
        for offer in _offers(entry):
            twice = (offer.kind, offer.name) in taken
            problem = "another plugin offers that name too" if twice else offer.problem
            found.append(offer.model_copy(update={"problem": problem}))
    return sorted(found, key=lambda each: (each.kind or "", each.name or "", each.plugin))


def _offers(entry: EntryPoint) -> Iterator[Offer]:
    plugin = Offer(
        plugin=entry.name,
        module=entry.value,
        distribution=entry.dist.name if entry.dist else None,
        version=entry.dist.version if entry.dist else None,
        problem="offers nothing",
    )
    try:
        registry = load_one(entry)
    except Exception as problem:  # noqa: BLE001 - a stranger's code may fail in any way
        yield plugin.model_copy(update={"problem": f"does not load: {in_a_line(problem)}"})
        return
    offers: list[tuple[str, str | None]] = [
        *((each.kind, name) for each in registry.registers for name in each.names),
        *(("observer", None) for _ in registry.observers),
        *(("preference", None) for _ in registry.preferences),
    ]
    for kind, name in offers:
        yield plugin.model_copy(update={"kind": kind, "name": name, "problem": None})
    if not offers:
        yield plugin
